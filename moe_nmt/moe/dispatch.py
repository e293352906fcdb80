"""Tokens to experts and back: sort by expert, and the weighted sum that undoes it."""

from __future__ import annotations

from typing import Any, NamedTuple

import torch
from torch import Tensor
from torch.nn import functional as F

from moe_nmt.moe.first_derivative import first_derivative
from moe_nmt.moe.permutation import inverse
from moe_nmt.moe.routing import Routing


class Dispatched(NamedTuple):
    """The assignments of a batch, grouped by expert."""

    x: Tensor  # [assignments, dim], sorted by expert
    tokens_per_expert: Tensor  # [experts] int64
    position: Tensor  # [assignments] int64, the row of each of the routing's assignments in x


def dispatch(x: Tensor, routing: Routing) -> Dispatched:
    """Copies every token to each of its experts; none is ever dropped. x: [tokens, dim]."""
    order = routing.expert.argsort(stable=True)  # [assignments]
    position = inverse(order)
    rows = Dispatch.apply(x, routing.token, order, position)
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
    gate = routing.gate.to(expert_output.dtype)
    y: Tensor = Combine.apply(expert_output, gate, position, routing.token, tokens)
    return y


def weighted_sum(
    rows: Tensor, position: Tensor, token: Tensor, tokens: int, weight: Tensor | None = None
) -> Tensor:
    """Adds up the rows of each token.

    Args:
        rows: [assignments, dim].
        position: [assignments] int64, the row of each assignment.
        token: [assignments] int64, ascending.
        tokens: number of tokens.
        weight: [assignments], of each assignment; None for 1.

    Returns:
        [tokens, dim].
    """
    offsets = torch.searchsorted(token, torch.arange(tokens, device=token.device))  # [tokens]
    return F.embedding_bag(position, rows, offsets, mode="sum", per_sample_weights=weight)


class Dispatch(torch.autograd.Function):
    """x[token[order]]; the gradients of a token's copies add up in one pass."""

    @staticmethod
    def forward(ctx: Any, x: Tensor, token: Tensor, order: Tensor, position: Tensor) -> Tensor:
        """[tokens, dim] -> [assignments, dim]."""
        ctx.save_for_backward(token, position)
        ctx.tokens = x.size(0)
        return x.index_select(0, token[order])

    @staticmethod
    @first_derivative
    def backward(ctx: Any, grad: Tensor) -> tuple[Tensor, None, None, None]:
        """[assignments, dim] -> [tokens, dim]."""
        token, position = ctx.saved_tensors
        return weighted_sum(grad, position, token, ctx.tokens), None, None, None


class Combine(torch.autograd.Function):
    """``weighted_sum``; a gradient goes straight to each expert's row, weighted on the way."""

    @staticmethod
    def forward(
        ctx: Any, rows: Tensor, gate: Tensor, position: Tensor, token: Tensor, tokens: int
    ) -> Tensor:
        """[assignments, dim], [assignments] -> [tokens, dim]."""
        ctx.save_for_backward(rows, gate, position, token)
        return weighted_sum(rows, position, token, tokens, gate)

    @staticmethod
    @first_derivative
    def backward(ctx: Any, grad: Tensor) -> tuple[Tensor | None, ...]:
        """[tokens, dim] -> the gradients of rows and gate."""
        rows, gate, position, token = ctx.saved_tensors
        order = inverse(position)
        grad_rows = grad.index_select(0, token[order])
        grad_gate = torch.bmm(grad_rows[:, None], rows[:, :, None]).flatten()[position]
        return grad_rows.mul_(gate[order, None]), grad_gate, None, None, None
