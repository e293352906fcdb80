"""Adam whose memory of the experts is small: no mean, and a factored second moment (App. D).

Of an expert's matrix with gradient G the optimizer keeps the running means of G^2 over each row, R,
and over each column, C: n + m numbers instead of 2 n m.  The second moment is estimated as

    V_ij = R_i C_j / mean(R),

and the update is G / sqrt(V), with beta1 = 0.  It is divided by its root mean square where that is
above 1, as in Adafactor (Shazeer and Stern 2018): Adam's mean of gradients is not there to calm it.

Experts kept in bfloat16 are updated in float32 and rounded at random (``stochastic_rounding.py``).

Nothing in it needs the gradients of all experts at once, so that an expert can be updated in the
backward pass, as soon as its gradient is there, and the gradient forgotten.
"""

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from functools import partial
from typing import Any

import torch
from fairseq.optim import register_optimizer
from torch import Tensor

from moe_nmt.moe.chunks import experts_at_once
from moe_nmt.moe.workers import shard_of
from moe_nmt.optim.fused_adam import FusedAdam, FusedAdamConfig
from moe_nmt.optim.stochastic_rounding import round_stochastically
from moe_nmt.options import option

LEAST = 1e-30  # added to squared gradients: an expert without tokens stays where it is
LIMIT = 1.0  # of an update's root mean square, in learning rates


class AdamWithFactoredExperts(torch.optim.AdamW):
    """torch's AdamW for all but experts' matrices, [experts, in, out], which bear a mark."""

    gradient_scale = 1.0  # of gradients that are received in the backward pass

    @torch.no_grad()
    def step(self, closure: Callable[[], Any] | None = None) -> None:  # type: ignore[override]
        """An update of all parameters that have gradients."""
        if closure is not None:
            raise ValueError("factored_experts takes no closure")
        experts = [p for p in self.all_parameters() if shard_of(p) is not None]
        gradients = [parameter.grad for parameter in experts]
        for parameter in experts:
            parameter.grad = None  # Adam leaves it alone
        super().step()
        for parameter, gradient in zip(experts, gradients, strict=True):
            if gradient is not None:
                parameter.grad = gradient
                size = experts_at_once(parameter)
                for first in range(0, len(parameter), size):
                    some = slice(first, first + size)
                    self.update_experts(parameter, some, gradient[some])

    def all_parameters(self) -> list[Tensor]:
        """Of all groups."""
        return [parameter for group in self.param_groups for parameter in group["params"]]

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Loads a state whose means are in float32, of whatever precision the experts are.

        torch would round them to the precision of the parameters.
        """
        super().load_state_dict(state_dict)
        keys = [key for group in state_dict["param_groups"] for key in group["params"]]
        for key, parameter in zip(keys, self.all_parameters(), strict=True):
            for name in {"rows", "columns"} & state_dict["state"].get(key, {}).keys():
                mean = state_dict["state"][key][name]
                self.state[parameter][name] = mean.to(parameter.device, torch.float32, copy=True)

    @torch.no_grad()
    def receive(self, parameter: Tensor, experts: slice, gradient: Tensor | None) -> None:
        """Updates some experts in the backward pass; None: their gradient is zero.

        Where others have the same experts all of them have to come at once, and the replicas'
        gradients are added up first.
        """
        if gradient is not None:
            parameter.expert.workers.average_replicas([gradient])  # type: ignore[attr-defined]
            gradient = gradient.mul_(self.gradient_scale)
        self.update_experts(parameter, experts, gradient)

    def update_experts(self, parameter: Tensor, experts: slice, gradient: Tensor | None) -> None:
        """Updates the matrices of some experts, in place.

        They come in their order, and with the first of them a new step begins.

        Args:
            parameter: [all experts here, in, out].
            experts: which.
            gradient: [some experts, in, out]; None: zero.
        """
        state = self.state[parameter]
        if not state:
            state["step"] = torch.zeros(())
            for name, kept in (("rows", parameter.shape[:2]), ("columns", parameter.shape[::2])):
                state[name] = parameter.new_zeros(kept, dtype=torch.float32)
        if experts.start == 0:
            state["step"] += 1
        group = next(g for g in self.param_groups if any(p is parameter for p in g["params"]))
        rate, beta2 = float(group["lr"]), group["betas"][1]
        weights, rows, columns = (x[experts] for x in (parameter, state["rows"], state["columns"]))
        if gradient is None:
            for mean in (rows, columns):
                mean.lerp_(mean.new_full((), LEAST), 1 - beta2)
            if not group["weight_decay"]:
                return  # the weights stay
        exact = weights.float()  # the weights themselves, where they are in this precision
        if group["weight_decay"]:
            exact.mul_(1 - rate * group["weight_decay"])
        if gradient is not None:
            unbiased = 1 - beta2 ** int(state["step"])
            gradient = gradient.float()
            by_row, by_column = scales(gradient, rows, columns, beta2, unbiased)
            exact.addcmul_(gradient * by_row[:, :, None], by_column[:, None, :], value=-rate)
        if weights.dtype == torch.bfloat16:
            self.round(parameter, experts, exact)
        elif weights.dtype != exact.dtype:
            weights.copy_(exact)

    def round(self, parameter: Tensor, experts: slice, exact: Tensor) -> None:
        """Rounds the matrices of some experts at random to bfloat16.

        fairseq seeds torch with its seed and the number of the update.  Each expert draws by its
        number among those of all workers: so a training that is resumed, or divided otherwise,
        rounds the same.

        Args:
            parameter: [all experts here, in, out], bfloat16.
            experts: which.
            exact: [some experts, in, out], float32.
        """
        matrix = next(i for i, p in enumerate(self.all_parameters()) if p is parameter)
        step = int(self.state[parameter]["step"])
        shard = parameter.expert  # type: ignore[attr-defined]
        numbers = range(shard.total)[shard.here][experts]
        for weight, number, matrix_exact in zip(parameter[experts], numbers, exact, strict=True):
            seed = (torch.initial_seed(), step, matrix, number)
            weight.copy_(round_stochastically(matrix_exact, seed))


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


def hand_over(parameter: Tensor) -> None:
    """Gives a gradient that autograd has computed whole to its receiver."""
    if (gradient := parameter.grad) is not None:
        parameter.grad = None
        parameter.receiver(slice(0, len(parameter)), gradient)  # type: ignore[attr-defined]


@dataclass
class FactoredExpertsConfig(FusedAdamConfig):
    """Options of ``--optimizer factored_experts``."""

    update_experts_in_backward: bool = option(
        False,
        "update each expert as soon as its gradient is there, and keep none: --clip-norm is then "
        "of all other gradients",
    )


@register_optimizer("factored_experts", dataclass=FactoredExpertsConfig)
class FactoredExperts(FusedAdam):
    """Options as those of ``fused_adam``; of experts beta1 and epsilon count for nothing."""

    def __init__(self, cfg: FactoredExpertsConfig, params: Iterable[Tensor]) -> None:
        super().__init__(cfg, params)
        groups = self._optimizer.param_groups
        self._optimizer: AdamWithFactoredExperts = AdamWithFactoredExperts(
            groups, fused=True, **self.optimizer_config
        )
        self.updates_in_backward = cfg.update_experts_in_backward  # and has to be told: ``expect``
        if self.updates_in_backward:
            for parameter in self._optimizer.all_parameters():
                if shard_of(parameter) is not None:
                    parameter.receiver = partial(self._optimizer.receive, parameter)  # type: ignore[attr-defined]
                    # Where the fast path of CPUs does not compute them. A parameter that has been
                    # given to another optimizer before has two of these: the first one takes it.
                    parameter.register_post_accumulate_grad_hook(hand_over)

    def expect(self, sample_size: float) -> None:
        """Tells, before a backward pass, what its gradients are to be divided by.

        Args:
            sample_size: the mean of all workers', over whom gradients are averaged.
        """
        self._optimizer.gradient_scale = 1.0 / (float(sample_size) or 1.0)
