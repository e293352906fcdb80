"""Products of many small inputs with one matrix, such as those of a search with the softmax's."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor
from torch.nn import functional as F


def repeated_product(weight: Tensor) -> Callable[[Tensor], Tensor]:
    """x W^T for a matrix W [out, in] that stays as it is: [rows, in] -> [rows, out].

    On a CPU a product lays out its matrix for its kernel, which for few rows takes longer than the
    product itself: here that is done once.  Without gradients; in the precision of autocast where
    it is on, else of ``weight``.
    """
    device = weight.device.type
    if torch.is_autocast_enabled(device):
        weight = weight.to(torch.get_autocast_dtype(device))
    onednn = torch.ops.mkldnn
    fits = weight.dtype == torch.float32 or (
        weight.dtype == torch.bfloat16 and onednn._is_mkldnn_bf16_supported()
    )
    if device != "cpu" or not torch.backends.mkldnn.is_available() or not fits:
        return lambda x: F.linear(x.to(weight.dtype), weight)
    laid_out = onednn._reorder_linear_weight(weight.detach())
    return lambda x: onednn._linear_pointwise(x.to(weight.dtype), laid_out, None, "none", [], "")
