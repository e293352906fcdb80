"""Hierarchical mixtures: a primary gate over groups, a secondary gate in each group (App. B)."""

from __future__ import annotations

from torch import Tensor
from typing_extensions import override

from moe_nmt.moe.gate import Gate
from moe_nmt.moe.routing import Routing, sum_by_expert


class HierarchicalGate(Gate):
    """y = sum_i sum_j Gprimary(x)_i * G_i(x)_j * E_ij(x).

    Args:
        primary: a gate of one group over a groups of experts.
        secondary: a gate of a groups over b experts each.

    The importance of expert ij is the sum of Gprimary(x)_i * G_i(x)_j; its load is
    Load_primary(X)_i * Load_i(X_i)_j / |X_i|, X_i being the tokens of group i, and 0 where X_i is
    empty.
    """

    def __init__(self, primary: Gate, secondary: Gate) -> None:
        if primary.groups != 1 or primary.experts != secondary.groups:
            raise ValueError(
                f"the primary gate chooses among {primary.groups} x {primary.experts} groups, "
                f"but the secondary gate has {secondary.groups}"
            )
        if primary.dim != secondary.dim:
            raise ValueError(f"token sizes differ: {primary.dim} and {secondary.dim}")
        super().__init__(primary.dim, secondary.num_experts, primary.k * secondary.k)
        self.primary = primary
        self.secondary = secondary

    @override
    def route(self, x: Tensor, group_sizes: Tensor) -> Routing:
        first = self.primary(x)
        by_group = first.expert.argsort(stable=True)  # [assignments of the primary gate]
        token = first.token[by_group]
        tokens_of_group = first.tokens_per_expert()  # [a], |X_i|
        second = self.secondary(x.index_select(0, token), tokens_of_group)

        token = token[second.token]  # [assignments]
        gate = first.gate[by_group][second.token] * second.gate
        by_token = token.argsort(stable=True)
        expert, gate = second.expert[by_token], gate[by_token]
        # Both gates' loads are those of all workers' tokens already.
        (members,) = self.workers.sum(tokens_of_group)
        share = first.load / members.clamp_min(1)  # [a], Load_primary(X)_i / |X_i|
        return Routing(
            token=token[by_token],
            expert=expert,
            gate=gate,
            importance=sum_by_expert(gate, expert, self.num_experts),
            load=share.repeat_interleave(self.secondary.experts) * second.load,
            auxiliary_loss=first.auxiliary_loss + second.auxiliary_loss,
        )

    @override
    def of_all_workers(self, routing: Routing, tokens: int) -> Routing:
        (importance,) = self.workers.sum(routing.importance)
        return routing._replace(importance=importance)

    @override
    def extra_repr(self) -> str:
        return ""
