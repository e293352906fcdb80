"""Gates by name, and the layer from plain sizes."""

from __future__ import annotations

import warnings
from functools import partial

import torch

from moe_nmt.moe.experts import Experts
from moe_nmt.moe.gate import Gate
from moe_nmt.moe.hierarchical import HierarchicalGate
from moe_nmt.moe.layer import MixtureOfExperts
from moe_nmt.moe.noisy_top_k import NoisyTopKGate
from moe_nmt.moe.softmax_gate import SoftmaxGate
from moe_nmt.moe.strictly_balanced import StrictlyBalancedGate
from moe_nmt.moe.workers import Workers

GATES: dict[str, type[Gate]] = {
    "softmax": SoftmaxGate,
    "noisy-top-k": NoisyTopKGate,
    "strictly-balanced": StrictlyBalancedGate,
}


def build_gate(
    name: str, dim: int, experts: int, k: int, groups: int = 1, most: int | None = None
) -> Gate:
    """Builds a flat gate, or a hierarchical one with the same gate at both levels.

    Args:
        name: a key of ``GATES``.
        dim: size of a token vector.
        experts: number of experts in all.
        k: experts per token; at each of the two levels where there are groups.
        groups: number of groups the experts are divided into; 1 for a flat mixture.
        most: experts per token in evaluation, at each level, of strictly balanced gates.
    """
    if name not in GATES:
        raise ValueError(f"there is no gate {name!r}; the gates are {', '.join(GATES)}")
    kind = GATES[name]
    gate = partial(StrictlyBalancedGate, most=most) if kind is StrictlyBalancedGate else kind
    if kind is NoisyTopKGate and k == 1 < experts:
        warnings.warn(
            "with k = 1 a noisy top-k gate learns from the balancing losses alone, not from the "
            "task: take k = 2 or more",
            stacklevel=2,
        )
    if groups == 1:
        return gate(dim, experts, k)
    if groups < 1 or experts % groups:
        raise ValueError(f"{experts} experts cannot be divided evenly into {groups} groups")
    return HierarchicalGate(gate(dim, groups, k), gate(dim, experts // groups, k, groups))


def build_mixture_of_experts(
    dim: int,
    hidden: int,
    experts: int,
    k: int,
    gate: str = "noisy-top-k",
    groups: int = 1,
    *,
    most: int | None = None,
    depth: int = 1,
    recompute: bool = False,
    precision: torch.dtype = torch.float32,
    output_dim: int | None = None,
    workers: Workers | None = None,
) -> MixtureOfExperts:
    """Builds a layer of ``experts`` experts with ``depth`` layers of ``hidden`` hidden units.

    See ``build_gate`` for the gate and ``most``, ``Experts`` for ``recompute``, ``precision`` and
    ``output_dim``.  With ``workers`` the experts are divided among them, each group of a
    hierarchical mixture staying on one worker.
    """
    workers = Workers() if workers is None else workers
    shard = workers.shard(experts, indivisible=experts // groups if groups > 1 else 1)
    built_gate = build_gate(gate, dim, experts, k, groups, most)
    built_experts = Experts(experts, dim, hidden, recompute, shard, depth, precision, output_dim)
    return MixtureOfExperts(built_gate, built_experts, workers)
