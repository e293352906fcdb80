"""Adam whose memory of the experts is small: no mean, and a factored second moment (App. D).

Of an expert's matrix with gradient G the optimizer keeps the running means of G^2 over each row, R,
and over each column, C: n + m numbers instead of 2 n m.  The second moment is estimated as

    V_ij = R_i C_j / mean(R),

and the update is G / sqrt(V), with beta1 = 0.  It is divided by its root mean square where that is
above 1, as in Adafactor (Shazeer and Stern 2018): Adam's mean of gradients is not there to calm it.
"""

from collections.abc import Callable, Iterable
from typing import Any

import torch
from fairseq.optim import register_optimizer
from torch import Tensor

from moe_nmt.moe.workers import shard_of
from moe_nmt.optim.fused_adam import FusedAdam, FusedAdamConfig

LEAST = 1e-30  # added to squared gradients: an expert without tokens stays where it is
LIMIT = 1.0  # of an update's root mean square, in learning rates
CHUNK = 1 << 19  # numbers of the experts that are updated at once, to stay in the cache


class AdamWithFactoredExperts(torch.optim.AdamW):
    """torch's AdamW for all but experts' matrices, [experts, in, out], which bear a mark."""

    @torch.no_grad()
    def step(self, closure: Callable[[], Any] | None = None) -> None:  # type: ignore[override]
        """An update of all parameters that have gradients."""
        if closure is not None:
            raise ValueError("factored_experts takes no closure")
        experts = [
            (parameter, parameter.grad, group)
            for group in self.param_groups
            for parameter in group["params"]
            if parameter.grad is not None and shard_of(parameter) is not None
        ]
        for parameter, _, _ in experts:
            parameter.grad = None  # Adam leaves it alone
        super().step()
        for parameter, gradient, group in experts:
            parameter.grad = gradient
            self.update_experts(parameter, gradient, group)

    def update_experts(self, parameter: Tensor, gradient: Tensor, group: dict[str, Any]) -> None:
        """Updates the matrices of experts, in place: [experts, in, out] and its gradient."""
        state = self.state[parameter]
        if not state:
            state["step"] = torch.zeros(())
            state["rows"] = gradient.new_zeros(gradient.shape[:2], dtype=torch.float32)
            state["columns"] = gradient.new_zeros(
                gradient.size(0), gradient.size(2), dtype=torch.float32
            )
        state["step"] += 1
        rate, beta2 = float(group["lr"]), group["betas"][1]
        unbiased = 1 - beta2 ** int(state["step"])
        size = max(1, CHUNK // parameter[0].numel())
        chunks = (x.split(size) for x in (parameter, gradient, state["rows"], state["columns"]))
        for weights, part, rows, columns in zip(*chunks, strict=True):
            by_row, by_column = scales(part.float(), rows, columns, beta2, unbiased)
            if group["weight_decay"]:
                weights.mul_(1 - rate * group["weight_decay"])
            scaled = part * by_row[:, :, None].to(part.dtype)
            weights.addcmul_(scaled, by_column[:, None, :].to(part.dtype), value=-rate)


def scales(
    gradient: Tensor, rows: Tensor, columns: Tensor, beta2: float, unbiased: float
) -> tuple[Tensor, Tensor]:
    """What G_ij is multiplied with for the update of some experts, in learning rates: a_i b_j.

    The running means are brought up to date.

    Args:
        gradient: [experts, in, out].
        rows: [experts, in], of the squared gradients over each row; changed in place.
        columns: [experts, out], likewise.
        beta2: decay of the means.
        unbiased: 1 - beta2^step, by which they fall short, having begun at 0.

    Returns:
        [experts, in] and [experts, out].
    """
    square = gradient.square()
    rows.lerp_(square.mean(2).add_(LEAST), 1 - beta2)
    columns.lerp_(square.mean(1).add_(LEAST), 1 - beta2)
    by_row = rows.mean(1, keepdim=True) * unbiased / rows  # 1 / V_ij = by_row_i / C_j
    # the mean of all G^2 / V, without a pass of its own
    over_columns = torch.bmm(square, columns.reciprocal()[:, :, None])[:, :, 0]  # [experts, in]
    mean_square = (over_columns * by_row).sum(1, keepdim=True) / square[0].numel()
    limit = mean_square.sqrt().div_(LIMIT).clamp_(min=1)
    return by_row.sqrt() / limit, columns.rsqrt()


@register_optimizer("factored_experts", dataclass=FusedAdamConfig)
class FactoredExperts(FusedAdam):
    """Options as those of ``fused_adam``; of experts beta1 and epsilon count for nothing."""

    def __init__(self, cfg: FusedAdamConfig, params: Iterable[Tensor]) -> None:
        super().__init__(cfg, params)
        groups = self._optimizer.param_groups
        self._optimizer = AdamWithFactoredExperts(groups, fused=True, **self.optimizer_config)
