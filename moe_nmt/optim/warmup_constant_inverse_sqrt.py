"""The paper's learning rate (App. E): linear warm-up, constant, then as 1 / sqrt(step)."""

from dataclasses import dataclass
from typing import Any, List

from fairseq.dataclass import FairseqDataclass
from fairseq.optim.lr_scheduler import FairseqLRScheduler, register_lr_scheduler
from omegaconf import II

from moe_nmt.errors import UserError
from moe_nmt.options import option


@dataclass
class WarmupConstantInverseSqrtConfig(FairseqDataclass):
    """Options of ``--lr-scheduler warmup_constant_inverse_sqrt``."""

    warmup_updates: int = option(2000, "updates over which the rate rises linearly from 0")
    constant_updates: int = option(8000, "updates at the full rate after that")
    lr: List[float] = II("optimization.lr")


def learning_rate(step: int, peak: float, warmup: int, constant: int) -> float:
    """The rate of update ``step``; peak * sqrt((warmup + constant) / step) in the end."""
    if step < warmup:
        return peak * step / warmup
    if step <= warmup + constant or warmup + constant == 0:
        return peak
    return peak * ((warmup + constant) / step) ** 0.5


@register_lr_scheduler("warmup_constant_inverse_sqrt", dataclass=WarmupConstantInverseSqrtConfig)
class WarmupConstantInverseSqrt(FairseqLRScheduler):
    """Sets the learning rate of each update."""

    def __init__(self, cfg: WarmupConstantInverseSqrtConfig, optimizer: Any) -> None:
        super().__init__(cfg, optimizer)
        if len(cfg.lr) != 1:
            raise UserError("--lr takes one value with --lr-scheduler warmup_constant_inverse_sqrt")
        if cfg.warmup_updates < 0 or cfg.constant_updates < 0:
            raise UserError("--warmup-updates and --constant-updates cannot be negative")
        self.step_update(0)

    def step(self, epoch: int, val_loss: float | None = None) -> float:
        """Leaves the rate as it is at the end of an epoch."""
        super().step(epoch, val_loss)
        rate: float = self.optimizer.get_lr()
        return rate

    def step_update(self, num_updates: int) -> float:
        """Sets the rate after ``num_updates`` updates."""
        rate = learning_rate(
            num_updates, self.cfg.lr[0], self.cfg.warmup_updates, self.cfg.constant_updates
        )
        self.optimizer.set_lr(rate)
        return rate
