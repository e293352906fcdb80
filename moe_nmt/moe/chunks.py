"""Groups of rows, each with a matrix of its own, as a few batched products."""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor

from moe_nmt.moe.reused_memory import ReusedMemory

# Starting one more chunk takes about as long as this many multiply-adds of padding.
MULTIPLY_ADDS_PER_CHUNK = 3_000_000
ROWS_PER_CHUNK = 256  # at most, where it has several experts: to stay in the cache
# The same of a GPU, which starts a kernel in some 5 microseconds and has no such cache.
GPU_MULTIPLY_ADDS_PER_CHUNK = 300_000_000
GPU_ROWS_PER_CHUNK = 1 << 20
# Numbers of experts' matrices that are written or updated at once: to stay in the cache, and on a
# GPU to take little memory.
NUMBERS_AT_ONCE = 1 << 19
GPU_NUMBERS_AT_ONCE = 1 << 26


def experts_at_once(weight: Tensor) -> int:
    """How many experts' matrices to work on at a time, of weights [experts, in, out]."""
    numbers = NUMBERS_AT_ONCE if weight.device.type == "cpu" else GPU_NUMBERS_AT_ONCE
    return max(1, numbers // max(1, weight[0].numel()))


class Layout(NamedTuple):
    """All experts, divided into chunks of neighbours that are multiplied at once.

    Every expert of a chunk gets as many rows, its height, as the busiest of them.
    """

    experts: list[int]  # number of experts of each chunk
    heights: list[int]  # of each chunk; 0 for experts without rows
    position: Tensor | None  # [rows] int64, of each row among the padded ones; None: no padding

    @property
    def sizes(self) -> list[int]:
        """The number of rows of each chunk, padding included."""
        return [e * h for e, h in zip(self.experts, self.heights, strict=True)]

    def pad(self, rows: Tensor, memory: ReusedMemory) -> Tensor:
        """[rows, size] -> [padded rows, size], zero where there is no row."""
        if self.position is None:
            return rows
        padded = memory.empty((sum(self.sizes), rows.size(1)), rows.dtype, rows.device).zero_()
        return padded.index_copy_(0, self.position, rows)

    def unpad(self, padded: Tensor, memory: ReusedMemory) -> Tensor:
        """[padded rows, size] -> [rows, size]."""
        if self.position is None:
            return padded
        shape = self.position.numel(), padded.size(1)
        rows = memory.empty(shape, padded.dtype, padded.device)
        return torch.index_select(padded, 0, self.position, out=rows)

    def chunks(self, padded: Tensor) -> list[Tensor]:
        """[padded rows, size] -> views [experts, height, size] of each chunk."""
        chunks = padded.split(self.sizes)
        return [
            chunk.view(experts, height, padded.size(1))
            for chunk, experts, height in zip(chunks, self.experts, self.heights, strict=True)
        ]

    def scratch(self, size: int, like: Tensor, memory: ReusedMemory) -> list[Tensor]:
        """Tensors [experts, height, size] of each chunk, in memory of which they take turns.

        They have the precision of ``like`` and are where it is.
        """
        largest = memory.empty((max(self.sizes), size), like.dtype, like.device)
        return [
            largest[: experts * height].view(experts, height, size)
            for experts, height in zip(self.experts, self.heights, strict=True)
        ]


def layout(tokens_per_expert: Tensor, work_per_row: int) -> Layout:
    """Divides experts into chunks.

    A chunk goes on as long as padding costs less than starting another one would.  A GPU is waited
    for, once.

    Args:
        tokens_per_expert: [experts] int64.
        work_per_row: multiply-adds for one row in one of the two layers.
    """
    is_cpu = tokens_per_expert.device.type == "cpu"
    work = MULTIPLY_ADDS_PER_CHUNK if is_cpu else GPU_MULTIPLY_ADDS_PER_CHUNK
    worth = work // work_per_row  # rows of padding
    most = ROWS_PER_CHUNK if is_cpu else GPU_ROWS_PER_CHUNK
    counts: list[int] = tokens_per_expert.tolist()
    experts: list[int] = []
    heights: list[int] = []
    for count in counts:
        if experts and (count == 0) == (heights[-1] == 0):
            height = max(heights[-1], count)
            padding = (height - heights[-1]) * experts[-1] + height - count
            if padding <= worth and height * (experts[-1] + 1) <= most:
                experts[-1] += 1
                heights[-1] = height
                continue
        experts.append(1)
        heights.append(count)

    height_of_expert = torch.tensor(heights).repeat_interleave(torch.tensor(experts))
    empty = height_of_expert - torch.tensor(counts)  # [experts], rows of padding
    if not empty.any():
        return Layout(experts, heights, None)
    padding_before = empty.cumsum(0) - empty  # [experts]
    padding_before = padding_before.to(tokens_per_expert.device, non_blocking=True)
    rows = sum(counts)
    shift = padding_before.repeat_interleave(tokens_per_expert, output_size=rows)  # [rows]
    return Layout(experts, heights, torch.arange(rows, device=shift.device) + shift)
