"""Registers everything with fairseq, and puts in place what ``training/hooks.py`` lists."""

from hydra.experimental.callback import Callback

from moe_nmt.checkpoints.reading import allow_fairseq_types
from moe_nmt.criterions import balanced_cross_entropy
from moe_nmt.models import gnmt_moe, language_model
from moe_nmt.optim import factored_experts, fused_adam, warmup_constant_inverse_sqrt
from moe_nmt.tasks import expert_parallel_language_modeling, expert_parallel_translation
from moe_nmt.training import hooks

__all__ = [
    "LoadsPlugin",
    "balanced_cross_entropy",
    "expert_parallel_language_modeling",
    "expert_parallel_translation",
    "factored_experts",
    "fused_adam",
    "gnmt_moe",
    "language_model",
    "warmup_constant_inverse_sqrt",
]

allow_fairseq_types()
hooks.install()


class LoadsPlugin(Callback):
    """For fairseq-hydra-train, which else loads a --user-dir after it has started its workers.

    A configuration names it; by the time that hydra makes one, the plugin is loaded.

        hydra:
          callbacks:
            moe_nmt:
              _target_: moe_nmt.plugin.LoadsPlugin
    """
