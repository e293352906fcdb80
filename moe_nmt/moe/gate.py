"""The interface of all gates, and the projections they share (paper, section 2.1)."""

from __future__ import annotations

from abc import ABC, abstractmethod

import torch
from torch import Tensor, nn
from typing_extensions import override

from moe_nmt.moe.grouped import grouped_mm
from moe_nmt.moe.routing import Routing
from moe_nmt.moe.workers import Workers

# Whatever lies beyond counts as this, infinities too: so (x Wg - threshold) / std, which the load
# needs, stays finite with the smallest std, and so does its gradient.
LARGEST_LOGIT = 1e24


class Gate(nn.Module, ABC):
    """Chooses experts for tokens; the base of every gate.

    One gate module serves ``groups`` independent gates over ``experts`` experts each, so that the
    secondary gates of a hierarchical mixture (App. B) are one module, computed at once.  A flat
    gate is the case of one group.

    Gates compute in float32 whatever the precision of the tokens, because a rounding error there
    changes which expert is chosen.

    Args:
        dim: size of a token vector.
        experts: number of experts each group chooses from.
        k: experts per token (for gates that choose).
        groups: number of independent gates.
    """

    def __init__(self, dim: int, experts: int, k: int, groups: int = 1) -> None:
        super().__init__()
        if experts < 1 or groups < 1:
            raise ValueError(f"a gate needs at least one expert, not {groups} x {experts}")
        if not 1 <= k <= experts:
            raise ValueError(
                f"k must be between 1 and the {experts} experts to choose from, not {k}"
            )
        self.dim = dim
        self.experts = experts
        self.k = k
        self.groups = groups
        self.workers = Workers()  # who shares the batch; the layer sets it

    @property
    def num_experts(self) -> int:
        """The number of experts over all groups."""
        return self.groups * self.experts

    def forward(self, x: Tensor, group_sizes: Tensor | None = None) -> Routing:
        """Routes tokens.

        Args:
            x: [tokens, dim], sorted by group where there are several.
            group_sizes: [groups] int64, the number of tokens of each group; None for one group.

        Returns:
            The routing; expert j of group i has the index ``i * experts + j``.  Its statistics
            are those of the batches of all workers together.
        """
        if group_sizes is None:
            if self.groups != 1:
                raise ValueError("a gate of several groups needs group_sizes")
            group_sizes = torch.full((1,), x.size(0), device=x.device)
        with torch.autocast(x.device.type, enabled=False):
            return self.of_all_workers(self.route(x.float(), group_sizes), x.size(0))

    @abstractmethod
    def route(self, x: Tensor, group_sizes: Tensor) -> Routing:
        """Routes float32 tokens ``x`` [tokens, dim] of the given groups [groups].

        Statistics are those of these tokens; the gate's own loss is their sum, not their mean.
        """

    def of_all_workers(self, routing: Routing, tokens: int) -> Routing:
        """Makes statistics of this worker's tokens those of all workers', and sums a mean."""
        count = routing.gate.new_full((), tokens)
        importance, load, loss, count = self.workers.sum(
            routing.importance, routing.load, routing.auxiliary_loss, count
        )
        loss = loss / count.clamp_min(1)
        return routing._replace(importance=importance, load=load, auxiliary_loss=loss)

    def group_of_token(self, group_sizes: Tensor, tokens: int) -> Tensor:
        """Spells out the group of each token: [tokens] int64."""
        groups = torch.arange(self.groups, device=group_sizes.device)
        return groups.repeat_interleave(group_sizes, output_size=tokens)

    def global_expert(self, expert: Tensor, group: Tensor) -> Tensor:
        """Turns indices within a group into indices over all groups (same shape)."""
        return expert + group * self.experts

    @override
    def extra_repr(self) -> str:
        return f"dim={self.dim}, experts={self.experts}, k={self.k}, groups={self.groups}"


class GateProjection(nn.Module):
    """x W with one weight matrix [dim, experts] per group.

    W starts at zero, so that at first all experts are equally likely (App. A).
    """

    def __init__(self, dim: int, experts: int, groups: int = 1) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.zeros(groups, dim, experts))

    def forward(self, x: Tensor, group_sizes: Tensor) -> Tensor:
        """[tokens, dim], [groups] -> [tokens, experts], in float32."""
        weight = self.weight.float()
        logits = x @ weight[0] if weight.size(0) == 1 else grouped_mm(x, weight, group_sizes)
        return logits.clamp(-LARGEST_LOGIT, LARGEST_LOGIT)
