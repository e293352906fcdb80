"""What a gate decides: which tokens go to which experts, and with what weight."""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor


class Routing(NamedTuple):
    """The non-zero entries of G(x) for a batch of tokens, and what the balancing losses need.

    ``token``, ``expert`` and ``gate`` list the kept assignments, ordered by token.  A token may
    have any number of assignments, also none.

    It is a tuple, in which torch's hooks, such as those of fairseq's NaN detector, find tensors.
    """

    token: Tensor  # [assignments] int64, ascending
    expert: Tensor  # [assignments] int64, in [0, experts)
    gate: Tensor  # [assignments] float32, G(x)_i; differentiable
    importance: Tensor  # [experts] float32, sum over tokens of G(x)_i; differentiable
    load: Tensor  # [experts] float32, (expected) number of tokens; differentiable in training
    auxiliary_loss: Tensor  # [] float32, a loss of the gate itself, a mean per token; 0 if none

    @property
    def num_experts(self) -> int:
        """The number of experts there are to choose from."""
        return self.load.numel()

    def tokens_per_expert(self) -> Tensor:
        """Counts the assignments of each expert: [experts] int64."""
        return count(self.expert, self.num_experts)


def count(index: Tensor, number: int) -> Tensor:
    """How often each of 0 .. number - 1 occurs in ``index``, any int64: [number] int64.

    ``torch.bincount`` would make a GPU wait, twice.
    """
    return index.new_zeros(number).scatter_add_(0, index, torch.ones_like(index))


def where_true(mask: Tensor, number: int | None = None) -> Tensor:
    """The indices of the flattened ``mask`` at which it is True, ascending: [number] int64.

    Args:
        mask: of any shape.
        number: of them; None: the device is asked, and waited for.
    """
    flat = mask.flatten()
    index = flat.nonzero() if number is None else flat.nonzero_static(size=number)
    return index.squeeze(1)


def sum_by_expert(values: Tensor, expert: Tensor, num_experts: int) -> Tensor:
    """Sums ``values`` [assignments] over the assignments of each expert: [experts]."""
    return values.new_zeros(num_experts).index_add(0, expert, values)
