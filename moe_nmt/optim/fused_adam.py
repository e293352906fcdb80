"""Adam as one fused kernel of torch, for fairseq."""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any, List

import torch
from fairseq.dataclass import FairseqDataclass
from fairseq.optim import FairseqOptimizer, register_optimizer
from omegaconf import II
from torch import Tensor

from moe_nmt.options import option


@dataclass
class FusedAdamConfig(FairseqDataclass):
    """Options of ``--optimizer fused_adam``."""

    beta1: float = option(0.9, "decay of the gradients' mean")
    beta2: float = option(0.999, "decay of the squared gradients' mean")
    epsilon: float = option(1e-8, "added to the denominator")
    weight_decay: float = option(0.0, "decoupled weight decay, as in AdamW")
    lr: List[float] = II("optimization.lr")


@register_optimizer("fused_adam", dataclass=FusedAdamConfig)
class FusedAdam(FairseqOptimizer):
    """torch.optim.AdamW(fused=True): one pass over parameters, gradients and moments."""

    def __init__(self, cfg: FusedAdamConfig, params: Iterable[Tensor]) -> None:
        super().__init__(cfg)
        self._optimizer = torch.optim.AdamW(params, fused=True, **self.optimizer_config)

    @property
    def supports_flat_params(self) -> bool:
        """Whether ``--fp16`` may keep all parameters in one tensor: element by element, so yes."""
        return True

    @property
    def optimizer_config(self) -> dict[str, Any]:
        """Options of torch's optimizer; a checkpoint's values stay, see --optimizer-overrides."""
        return {
            "lr": self.cfg.lr[0],
            "betas": (self.cfg.beta1, self.cfg.beta2),
            "eps": self.cfg.epsilon,
            "weight_decay": self.cfg.weight_decay,
        }
