"""One matrix product for each group of rows, all in one kernel where there is one."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional as F

from moe_nmt.moe.chunks import layout
from moe_nmt.moe.eager import eager
from moe_nmt.moe.reused_memory import ReusedMemory

GPU_GROUPS = 1023  # at most, of torch's kernel on a GPU
ALIGNMENT = 16  # bytes; torch's kernel takes rows of a multiple of this


def has_kernel(x: Tensor, groups: int) -> bool:
    """Whether torch multiplies all groups at once; on a GPU it may take them one by one, waiting.

    Args:
        x: [rows, in].
        groups: their number.
    """
    return x.device.type == "cpu" or (x.dtype == torch.bfloat16 and groups <= GPU_GROUPS)


@eager  # torch.compile refuses F.grouped_mm but in bfloat16
def grouped_mm(x: Tensor, weight: Tensor, group_sizes: Tensor) -> Tensor:
    """Multiplies the rows of each group by the group's own matrix.

    Sizes that do not fit the kernel are padded with zeros, at the price of a copy; where there is
    no kernel, groups are padded to equal sizes, at the price of a wait.

    Args:
        x: [rows, in], sorted by group.
        weight: [groups, in, out], of the precision of ``x``.
        group_sizes: [groups] int64, adding up to ``rows``.

    Returns:
        [rows, out].
    """
    if not has_kernel(x, weight.size(0)):
        return padded_mm(x, weight, group_sizes)
    multiple = ALIGNMENT // x.element_size()
    pad_in, pad_out = (-size % multiple for size in weight.shape[1:])
    if pad_in or pad_out:
        x, weight = F.pad(x, (0, pad_in)), F.pad(weight, (0, pad_out, 0, pad_in))
    ends = group_sizes.cumsum(0).to(torch.int32)
    y = F.grouped_mm(x.contiguous(), weight.contiguous(), offs=ends)
    if y.requires_grad:
        y.register_hook(Tensor.contiguous)  # its gradient refuses expanded ones, as of sum()
    return y[:, : weight.size(2) - pad_out] if pad_out else y


def padded_mm(x: Tensor, weight: Tensor, group_sizes: Tensor) -> Tensor:
    """``grouped_mm`` as a few batched products of neighbouring groups of about the same size."""
    form = layout(group_sizes, weight[0].numel())
    chunks = form.chunks(form.pad(x, ReusedMemory()))  # [groups, height, in] each
    products = [
        torch.bmm(rows, matrices).flatten(0, 1)
        for rows, matrices in zip(chunks, weight.split(form.experts), strict=True)
    ]
    y = torch.cat(products)
    return y if form.position is None else y.index_select(0, form.position)
