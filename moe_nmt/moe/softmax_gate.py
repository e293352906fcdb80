"""The dense gate: G(x) = softmax(x Wg), every expert for every token (section 2.1)."""

from __future__ import annotations

import torch
from torch import Tensor
from typing_extensions import override

from moe_nmt.moe.gate import Gate, GateProjection
from moe_nmt.moe.routing import Routing, sum_by_expert


class SoftmaxGate(Gate):
    """Weighs all experts for all tokens; ``k`` is the number of experts."""

    def __init__(self, dim: int, experts: int, k: int | None = None, groups: int = 1) -> None:
        super().__init__(dim, experts, experts if k is None else k, groups)
        if self.k != experts:
            raise ValueError(
                f"the softmax gate uses all {experts} experts for every token: k must be {experts}"
            )
        self.projection = GateProjection(dim, experts, groups)

    @override
    def route(self, x: Tensor, group_sizes: Tensor) -> Routing:
        tokens = x.size(0)
        gates = torch.softmax(self.projection(x, group_sizes), dim=-1)  # [tokens, experts]
        group = self.group_of_token(group_sizes, tokens)  # [tokens]
        expert = torch.arange(self.experts, device=x.device).repeat(tokens, 1)
        expert = self.global_expert(expert, group[:, None]).flatten()  # [tokens * experts]
        gate = gates.flatten()
        return Routing(
            token=torch.arange(tokens, device=x.device).repeat_interleave(self.experts),
            expert=expert,
            gate=gate,
            importance=sum_by_expert(gate, expert, self.num_experts),
            load=group_sizes.repeat_interleave(self.experts).to(gate.dtype),
            auxiliary_loss=gate.new_zeros(()),
        )
