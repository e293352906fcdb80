"""Memory for large tensors that come and go in every training step."""

from __future__ import annotations

import math
import mmap
import threading
import weakref
from collections.abc import Sequence

import torch
from torch import Tensor


class ReusedMemory:
    """Hands out CPU memory, and hands it out again once no tensor uses it any more.

    An allocator gives large blocks back to the system, which fills them with zeros, page by page,
    when they are next asked for: for the gradients of a thousand experts that takes longer than
    computing them.  Memory once taken is kept as long as this object lives.

    Copies and pickles of it start empty.  Threads may share one.
    """

    def __init__(self) -> None:
        self._lock = threading.Lock()
        # Each block, and the view that keeps it from being handed out.
        self._blocks: list[tuple[mmap.mmap, weakref.ref[memoryview]]] = []

    def empty(self, shape: Sequence[int], dtype: torch.dtype, device: torch.device) -> Tensor:
        """An uninitialised contiguous tensor; off the CPU torch uses memory again by itself."""
        size = math.prod(shape) * dtype.itemsize
        if size == 0 or device.type != "cpu":
            return torch.empty(shape, dtype=dtype, device=device)
        with self._lock:
            block = self._free_block(size)
            view = memoryview(block)
            self._blocks.append((block, weakref.ref(view)))
        # The tensor's storage holds the view until the last tensor that shares it is gone.
        return torch.frombuffer(view, dtype=dtype, count=math.prod(shape)).view(shape)

    def __reduce__(self) -> tuple[type[ReusedMemory], tuple[()]]:
        return ReusedMemory, ()

    def _free_block(self, size: int) -> mmap.mmap:
        """Takes the best free block off the list, or maps a new one."""
        free = [entry for entry in self._blocks if entry[1]() is None]
        for entry in sorted(free, key=lambda entry: len(entry[0])):
            if size <= len(entry[0]) <= 2 * size:
                self._blocks.remove(entry)
                return entry[0]
            if size <= 2 * len(entry[0]) < 2 * size:
                self._blocks.remove(entry)  # a little too small: the new one takes its place
        flags = mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS
        return mmap.mmap(-1, size + size // 8, flags=flags)
