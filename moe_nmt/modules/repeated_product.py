"""Products of many small inputs with one matrix, such as a search has them."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor
from torch.nn import functional as F


def repeated_product(weight: Tensor, bias: Tensor | None = None) -> Callable[[Tensor], Tensor]:
    """x W^T + b for W [out, in] and b [out] that stay as they are: [rows, in] -> [rows, out].

    On a CPU a product lays out its matrix for its kernel, which for few rows takes longer than the
    product itself: here that is done once.  Without gradients; in the precision of autocast where
    it is on, else of ``weight``.
    """
    device = weight.device.type
    if torch.is_autocast_enabled(device):
        weight = weight.to(torch.get_autocast_dtype(device))
    if bias is not None:
        bias = bias.detach().to(weight.dtype)
    onednn = torch.ops.mkldnn
    fits = weight.dtype == torch.float32 or (
        weight.dtype == torch.bfloat16 and onednn._is_mkldnn_bf16_supported()
    )
    if device != "cpu" or not torch.backends.mkldnn.is_available() or not fits:
        return lambda x: F.linear(x.to(weight.dtype), weight, bias)
    laid_out = onednn._reorder_linear_weight(weight.detach())
    return lambda x: onednn._linear_pointwise(x.to(weight.dtype), laid_out, bias, "none", [], "")
