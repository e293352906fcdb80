"""Tokens to experts and back: sort by expert, and the weighted sum that undoes it."""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor
from torch.nn import functional as F

from moe_nmt.moe.routing import Routing


class Dispatched(NamedTuple):
    """The assignments of a batch, grouped by expert."""

    x: Tensor  # [assignments, dim], sorted by expert
    tokens_per_expert: Tensor  # [experts] int64
    position: Tensor  # [assignments] int64, the row of each of the routing's assignments in x


def dispatch(x: Tensor, routing: Routing) -> Dispatched:
    """Copies every token to each of its experts; none is ever dropped. x: [tokens, dim]."""
    order = routing.expert.argsort(stable=True)  # [assignments]
    position = torch.empty_like(order)
    position[order] = torch.arange(order.numel(), device=order.device)
    rows = x.index_select(0, routing.token[order])
    return Dispatched(rows, routing.tokens_per_expert(), position)


def combine(expert_output: Tensor, position: Tensor, routing: Routing, tokens: int) -> Tensor:
    """y = sum_i G(x)_i * E_i(x).

    Args:
        expert_output: [assignments, dim], in the order of ``Dispatched.x``.
        position: [assignments], from ``dispatch``.
        routing: the same routing.
        tokens: number of tokens in the batch.

    Returns:
        [tokens, dim]; zero for a token without an expert.
    """
    counts = torch.bincount(routing.token, minlength=tokens)
    return F.embedding_bag(
        position,
        expert_output,
        offsets=counts.cumsum(0) - counts,
        per_sample_weights=routing.gate.to(expert_output.dtype),
        mode="sum",
    )
