"""The bound that the benchmarks compare a model with: what the machine's matrix products reach."""

from __future__ import annotations

import time
from collections.abc import Callable

import torch


def matrix_product(
    rows: int, inner: int, columns: int, dtype: torch.dtype = torch.float32
) -> Callable[[], float]:
    """Products [rows, inner] x [inner, columns]; a turn returns their GFLOPS."""
    a = torch.randn(rows, inner, dtype=dtype)
    b = torch.randn(inner, columns, dtype=dtype)

    def turn() -> float:
        start = time.perf_counter()
        for _ in range(10):
            a @ b
        return 10 * 2 * rows * inner * columns / (time.perf_counter() - start) / 1e9

    return turn
