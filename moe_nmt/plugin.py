"""Registers everything with fairseq and prepares torch for its checkpoints."""

from moe_nmt import criterions, launch, models, optim, tasks, trainer
from moe_nmt.checkpoints import allow_fairseq_types, check_before_loading, copy_whole

allow_fairseq_types()
check_before_loading()
copy_whole()
launch.install()
trainer.install()

__all__ = ["criterions", "models", "optim", "tasks"]
