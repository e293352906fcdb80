"""Many workers: experts stay where they live, tokens travel (section 3.1)."""

from __future__ import annotations

from collections.abc import Callable
from itertools import pairwise
from typing import Any

import torch
import torch.distributed as dist
from torch import Tensor
from typing_extensions import override

from moe_nmt.distributed.collectives import AllReduce, AllToAll, exchange
from moe_nmt.moe.permutation import inverse
from moe_nmt.moe.workers import Shard, Workers


def largest_size(workers: int, parts: int) -> int:
    """The largest expert-parallel size for mixtures of so many parts that stay whole."""
    return max(size for size in range(1, workers + 1) if workers % size == 0 and size <= parts)


class ExpertParallel(Workers):
    """All workers of torch's default process group, divided into groups of neighbours.

    Within a group each expert lives on one worker.  Groups are replicas of each other: the
    gradients of an expert are averaged over them, as those of everything else are over all workers.

    Args:
        size: of a group; None for all workers.

    Raises:
        ValueError: the workers cannot be divided into groups of that size.
    """

    def __init__(self, size: int | None = None) -> None:
        rank, self.world = dist.get_rank(), dist.get_world_size()
        self.size = size = self.world if size is None else size
        if size < 1 or self.world % size:
            raise ValueError(
                f"{self.world} workers cannot be divided into groups of {size}: the expert "
                "parallel size has to divide the number of workers"
            )
        self.replicas = self.world // size
        self.place = rank % size  # in its group
        self.first = rank - self.place  # the group's first worker
        # Every worker takes part in making every group.
        groups = [range(start, start + size) for start in range(0, self.world, size)]
        self.experts_group = [dist.new_group(group) for group in groups][rank // size]
        replicas = [range(place, self.world, size) for place in range(size)]
        self.replicas_group = [dist.new_group(workers) for workers in replicas][self.place]

    def __deepcopy__(self, memo: dict[int, Any]) -> ExpertParallel:
        """Copies of a model have the same workers."""
        return self

    @override
    def shard(self, experts: int, indivisible: int = 1) -> Shard:
        units = experts // indivisible
        if units < self.size:
            what = "experts" if indivisible == 1 else "groups of experts"
            raise ValueError(
                f"{units} {what} cannot be divided among {self.size} workers: "
                f"the expert parallel size can be at most {units}"
            )
        bounds = (start * indivisible for start in self.bounds(units, self.size))
        return Shard(tuple(bounds), self.place, self)

    @staticmethod
    def bounds(total: int, workers: int) -> list[int]:
        """Where each worker's share of ``total`` things starts, and the last one ends."""
        return [place * total // workers for place in range(workers + 1)]

    @override
    def apply(
        self,
        experts: Callable[[Tensor, Tensor], Tensor],
        shard: Shard,
        x: Tensor,
        tokens_per_expert: Tensor,
    ) -> Tensor:
        if self.size == 1:
            return experts(x, tokens_per_expert)
        # The number of rows from each worker for each expert here: [workers, experts here].
        coming = exchange(
            tokens_per_expert, shard.sizes, [shard.size] * self.size, self.experts_group
        ).view(self.size, shard.size)
        going = torch.stack([part.sum() for part in tokens_per_expert.split(shard.sizes)])
        send, receive = torch.stack([going, coming.sum(1)]).tolist()

        if torch.is_autocast_enabled(x.device.type):  # what the experts would begin with
            x = x.to(torch.get_autocast_dtype(x.device.type))
        rows = AllToAll.apply(x, send, receive, self.travel)  # by worker, each by expert
        expert = torch.arange(shard.size, device=x.device).repeat(self.size)
        expert = expert.repeat_interleave(coming.flatten(), output_size=rows.size(0))  # [rows]
        order = expert.argsort(stable=True)
        output = experts(rows.index_select(0, order), coming.sum(0))
        output = output.index_select(0, inverse(order))
        result: Tensor = AllToAll.apply(output, receive, send, self.travel)
        return result

    def travel(self, x: Tensor, send: list[int], receive: list[int]) -> Tensor:
        """Exchanges rows [sum(send), dim] within the group, and counts the bytes that leave."""
        leaving = sum(send) - send[self.place]
        self.bytes_sent += leaving * x.size(1) * x.element_size()
        return exchange(x, send, receive, self.experts_group)

    @override
    def sum(self, *values: Tensor) -> tuple[Tensor, ...]:
        total = AllReduce.apply(torch.cat([value.flatten() for value in values]), None)
        parts = total.split([value.numel() for value in values])
        return tuple(part.view(value.shape) for part, value in zip(parts, values, strict=True))

    @override
    def gather(self, x: Tensor) -> Tensor:
        counts = self.rows_of_all(x)
        copies = x.detach().repeat(self.world, *[1] * (x.dim() - 1))
        return exchange(copies, [x.size(0)] * self.world, counts, None)

    def rows_of_all(self, x: Tensor) -> list[int]:
        """The number of rows of each worker's ``x``."""
        counts = torch.full((self.world,), x.size(0), device=x.device)
        everywhere = exchange(counts, [1] * self.world, [1] * self.world, None)
        return [int(count) for count in everywhere.tolist()]

    @override
    def by_column(self, function: Callable[[Tensor], Tensor], x: Tensor) -> Tensor:
        rows = self.rows_of_all(x)
        bounds = self.bounds(x.size(1), self.world)
        widths = [stop - start for start, stop in pairwise(bounds)]
        width = widths[dist.get_rank()]
        # Columns travel as rows of the transposed matrix; flat, as the workers' differ in length.
        going = [x.size(0) * columns for columns in widths]
        coming = [count * width for count in rows]
        parts = exchange(x.detach().t().flatten(), going, coming, None).split(coming)
        whole = [part.view(width, count) for part, count in zip(parts, rows, strict=True)]
        result = function(torch.cat(whole, dim=1).t()).t()  # [columns here, rows of all]
        flat = torch.cat([part.flatten() for part in result.split(rows, dim=1)])
        return exchange(flat, coming, going, None).view(x.size(1), x.size(0)).t()

    @override
    def sum_of_shards(self, x: Tensor) -> Tensor:
        total = x.clone()
        dist.all_reduce(total, group=self.experts_group)
        return total

    @override
    def average_replicas(self, gradients: list[Tensor]) -> None:
        if self.size < self.world:
            self.all_reduce(gradients, self.replicas_group)
        torch._foreach_div_(gradients, self.world)

    @override
    def average(self, gradients: list[Tensor]) -> None:
        self.all_reduce(gradients, None)
        torch._foreach_div_(gradients, self.world)

    @staticmethod
    def all_reduce(tensors: list[Tensor], group: dist.ProcessGroup | None) -> None:
        """Adds up each tensor over a group, in place."""
        for tensor in tensors:
            total = tensor.contiguous()
            dist.all_reduce(total, group=group)
            if total is not tensor:
                tensor.copy_(total)

    @override
    def whole(self, x: Tensor, shard: Shard, everywhere: bool = False) -> Tensor | None:
        x = x.detach().contiguous()
        if everywhere:
            shape = (shard.total, *x.shape[1:])
            parts = list(x.new_empty(shape).split(shard.sizes))
            for place, part in enumerate(parts):
                if place == self.place:
                    part.copy_(x)
                dist.broadcast(part, self.first + place, self.experts_group)
            return torch.cat(parts)
        if self.first > 0:  # a replica of what the first group has
            return None
        if self.place > 0:
            dist.send(x, 0)
            return None
        parts = [x.cpu()]
        for place in range(1, self.size):
            part = x.new_empty(shard.sizes[place], *x.shape[1:])
            dist.recv(part, place)
            parts.append(part.cpu())
        return torch.cat(parts)
