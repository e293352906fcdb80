"""One matrix product for each group of rows, all in one kernel."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional as F

ALIGNMENT = 16  # bytes; torch's kernel takes rows of a multiple of this


@torch.compiler.disable  # torch.compile refuses F.grouped_mm but in bfloat16
def grouped_mm(x: Tensor, weight: Tensor, group_sizes: Tensor) -> Tensor:
    """Multiplies the rows of each group by the group's own matrix.

    Sizes that do not fit the kernel are padded with zeros, at the price of a copy.

    Args:
        x: [rows, in], sorted by group.
        weight: [groups, in, out], of the precision of ``x``.
        group_sizes: [groups] int64, adding up to ``rows``.

    Returns:
        [rows, out].
    """
    multiple = ALIGNMENT // x.element_size()
    pad_in, pad_out = (-size % multiple for size in weight.shape[1:])
    if pad_in or pad_out:
        x, weight = F.pad(x, (0, pad_in)), F.pad(weight, (0, pad_out, 0, pad_in))
    ends = group_sizes.cumsum(0).to(torch.int32)
    y = F.grouped_mm(x.contiguous(), weight.contiguous(), offs=ends)
    if y.requires_grad:
        y.register_hook(Tensor.contiguous)  # its gradient refuses expanded ones, as of sum()
    return y[:, : weight.size(2) - pad_out] if pad_out else y
