"""Differentiable exchange between workers.

The adjoints are those of one computation that all workers share: what is differentiated is the sum
of all workers' losses.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import torch
import torch.distributed as dist
from torch import Tensor
from torch.autograd.function import once_differentiable


def is_one_of_many() -> bool:
    """Whether this process is a worker of a training on several."""
    return dist.is_initialized() and dist.get_world_size() > 1


Exchange = Callable[[Tensor, list[int], list[int]], Tensor]


class AllReduce(torch.autograd.Function):
    """The sum over all workers of a group; its gradient is the sum of their gradients."""

    @staticmethod
    def forward(ctx: Any, x: Tensor, group: dist.ProcessGroup | None) -> Tensor:
        """x, of the same shape on every worker -> the sum."""
        ctx.group = group
        total = x.clone(memory_format=torch.contiguous_format)
        dist.all_reduce(total, group=group)
        return total

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor, None]:
        """Sums the gradients."""
        total = gradient.clone(memory_format=torch.contiguous_format)
        dist.all_reduce(total, group=ctx.group)
        return total, None


class AllToAll(torch.autograd.Function):
    """Each worker's slices of rows to the workers they are for; the gradient goes the way back."""

    @staticmethod
    def forward(
        ctx: Any, x: Tensor, send: list[int], receive: list[int], exchange: Exchange
    ) -> Tensor:
        """[sum(send), ...] -> [sum(receive), ...]; see ``exchange``."""
        ctx.send, ctx.receive, ctx.exchange = send, receive, exchange
        return exchange(x, send, receive)

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor, None, None, None]:
        """Returns each row's gradient to where the row came from."""
        return ctx.exchange(gradient, ctx.receive, ctx.send), None, None, None


def exchange(
    x: Tensor, send: Sequence[int], receive: Sequence[int], group: dist.ProcessGroup | None
) -> Tensor:
    """One all-to-all of rows, any number of them, also none.

    Args:
        x: [sum(send), ...], the rows for each worker of the group, one after the other.
        send: how many rows go to each worker.
        receive: how many rows come from each worker.
        group: the workers; None for all.

    Returns:
        [sum(receive), ...], the rows from each worker, one after the other.
    """
    output = x.new_empty(sum(receive), *x.shape[1:])
    dist.all_to_all_single(output, x.contiguous(), list(receive), list(send), group=group)
    return output
