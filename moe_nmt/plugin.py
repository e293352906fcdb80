"""Registers everything with fairseq and prepares torch for its checkpoints."""

from moe_nmt import criterions, launch, models, optim, search, sharded_checkpoints, tasks, trainer
from moe_nmt.checkpoints import allow_fairseq_types, check_before_loading, copy_whole
from moe_nmt.search.unknown_words import read_option

allow_fairseq_types()
check_before_loading()
copy_whole()
launch.install()
trainer.install()
sharded_checkpoints.install()
read_option()

__all__ = ["criterions", "models", "optim", "search", "tasks"]
