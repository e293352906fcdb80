"""Rows are sorted by expert, and put back."""

from __future__ import annotations

import torch
from torch import Tensor


def inverse(permutation: Tensor) -> Tensor:
    """The permutation that undoes another: [n] int64 -> [n] int64."""
    undo = torch.empty_like(permutation)
    undo[permutation] = torch.arange(permutation.numel(), device=permutation.device)
    return undo
