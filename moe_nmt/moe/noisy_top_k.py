"""Noisy top-k gating (section 2.1) and its smooth load estimator (App. A)."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional as F
from typing_extensions import override

from moe_nmt.moe.gate import Gate, GateProjection
from moe_nmt.moe.routing import Routing, count, sum_by_expert

# Keeps (x Wg - threshold) / std finite where the learned noise has all but vanished.
SMALLEST_STD = 1e-6


class NoisyTopKGate(Gate):
    """H(x) = x Wg + N(0, 1) * softplus(x Wnoise); G(x) = softmax of the k largest of H(x).

    In evaluation there is no noise: H(x) = x Wg, and the load is the plain count of tokens.
    With k = 1 the softmax over one value is 1 and Wg learns from the balancing losses alone;
    ``build_gate`` warns of it.
    """

    def __init__(self, dim: int, experts: int, k: int, groups: int = 1) -> None:
        super().__init__(dim, experts, k, groups)
        self.projection = GateProjection(dim, experts, groups)
        self.noise_projection = GateProjection(dim, experts, groups)

    @override
    def route(self, x: Tensor, group_sizes: Tensor) -> Routing:
        tokens = x.size(0)
        clean = self.projection(x, group_sizes)  # [tokens, experts]
        if self.training:
            std = F.softplus(self.noise_projection(x, group_sizes)).clamp_min(SMALLEST_STD)
            noisy = clean + torch.randn_like(clean) * std
        else:
            noisy = clean
        # One more than k: the runner-up is the threshold that the chosen ones have to exceed.
        top, chosen = noisy.topk(min(self.k + 1, self.experts), dim=-1)
        group = self.group_of_token(group_sizes, tokens)  # [tokens]
        expert = self.global_expert(chosen[:, : self.k], group[:, None]).flatten()
        gate = torch.softmax(top[:, : self.k], dim=-1).flatten()  # [tokens * k]

        if self.training and self.k < self.experts:
            probability = probability_of_choice(clean, noisy, std, top)  # [tokens, experts]
            load = probability.new_zeros(self.groups, self.experts).index_add(0, group, probability)
            load = load.flatten()
        else:
            load = count(expert, self.num_experts).to(gate.dtype)
        return Routing(
            token=torch.arange(tokens, device=x.device).repeat_interleave(self.k),
            expert=expert,
            gate=gate,
            importance=sum_by_expert(gate, expert, self.num_experts),
            load=load,
            auxiliary_loss=gate.new_zeros(()),
        )


def probability_of_choice(clean: Tensor, noisy: Tensor, std: Tensor, top: Tensor) -> Tensor:
    """P(x, i): the chance that expert i is chosen when only its own noise is drawn again (App. A).

    P(x, i) = Phi((clean_i - kth_excluding(noisy, k, i)) / std_i), where kth_excluding is the k-th
    largest value of ``noisy`` leaving out component i: the (k+1)-th of all where i itself is
    among the k largest, else the k-th.

    Args:
        clean: [tokens, experts], x Wg.
        noisy: [tokens, experts], H(x).
        std: [tokens, experts], softplus(x Wnoise).
        top: [tokens, k + 1], the largest values of ``noisy`` in descending order.

    Returns:
        [tokens, experts], differentiable in ``clean``, ``noisy`` and ``std``.
    """
    kth, next_after = top[:, -2:].unsqueeze(-2).unbind(-1)  # [tokens, 1] each
    threshold = torch.where(noisy > next_after, next_after, kth)
    return torch.special.ndtr((clean - threshold) / std)
