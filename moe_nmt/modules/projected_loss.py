"""Label-smoothed cross entropy straight from the features, without storing the logits.

For a vocabulary of V words and T tokens the logits are a T x V matrix: written, normalised,
read again and differentiated, they cost more time than the matrix products around them.  Here a
block of tokens goes through projection, loss and gradient while it is in the cache.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import torch
from torch import Tensor

from moe_nmt.moe.first_derivative import first_derivative

# Tokens of a block: on a CPU few enough to stay in the cache, and enough for a matrix product to
# run at full speed; elsewhere enough to hide the cost of starting a kernel.
CPU_ROWS = 256
DEVICE_ROWS = 4096


class TokenLosses(NamedTuple):
    """Sums over all tokens."""

    smoothed: Tensor  # [] float32, differentiable
    negative_log_likelihood: Tensor  # [] float32, without smoothing; detached


def projected_cross_entropy(
    features: Tensor, weight: Tensor, target: Tensor, smoothing: float
) -> TokenLosses:
    """The loss of softmax(features weight^T) against the target words.

    The smoothed loss of a token is (1 - eps) * -log p(target) + eps / (V - 1) * the sum of
    -log p(word) over all other words.

    Args:
        features: [tokens, dim].
        weight: [words, dim], the output embedding.
        target: [tokens] int64.
        smoothing: eps, in [0, 1).
    """
    if torch.is_autocast_enabled(features.device.type):
        dtype = torch.get_autocast_dtype(features.device.type)
        features, weight = features.to(dtype), weight.to(dtype)
    differentiate = torch.is_grad_enabled() and (features.requires_grad or weight.requires_grad)
    return TokenLosses(
        *_ProjectedCrossEntropy.apply(features, weight, target, smoothing, differentiate)
    )


class _ProjectedCrossEntropy(torch.autograd.Function):
    """Computes the gradients along with the loss; the backward pass only scales them."""

    @staticmethod
    def forward(
        ctx: Any,
        features: Tensor,
        weight: Tensor,
        target: Tensor,
        smoothing: float,
        differentiate: bool,
    ) -> tuple[Tensor, Tensor]:
        words = weight.size(0)
        others = smoothing / max(words - 1, 1)
        grad_features = torch.empty_like(features) if differentiate else None
        grad_weight = torch.zeros_like(weight, dtype=torch.float32) if differentiate else None
        total = features.new_zeros((), dtype=torch.float32)
        likelihood = torch.zeros_like(total)

        rows = CPU_ROWS if features.device.type == "cpu" else DEVICE_ROWS
        for start in range(0, features.size(0), rows):
            block = slice(start, start + rows)
            x, y = features[block], target[block, None]
            log_p = torch.log_softmax((x @ weight.t()).float(), dim=1)  # [rows, words]
            at_target = log_p.gather(1, y).sum()
            likelihood -= at_target
            total -= (1 - smoothing - others) * at_target + others * log_p.sum()
            if grad_features is not None and grad_weight is not None:
                gradient = log_p.exp_().sub_(others)  # p - q, q being the smoothed target
                gradient.scatter_add_(1, y, gradient.new_full(y.shape, smoothing + others - 1))
                gradient = gradient.to(weight.dtype)
                torch.mm(gradient, weight, out=grad_features[block])
                grad_weight += gradient.t() @ x
        ctx.save_for_backward(grad_features, grad_weight)
        ctx.mark_non_differentiable(likelihood)
        return total, likelihood

    @staticmethod
    @first_derivative
    def backward(ctx: Any, grad_total: Tensor, *_: Tensor) -> tuple[Tensor | None, ...]:
        grad_features, grad_weight = ctx.saved_tensors
        # A scalar tensor: the products keep their precision, and large loss scales fit.
        grad_weight = (grad_weight * grad_total).to(grad_features.dtype)
        return grad_features * grad_total, grad_weight, None, None, None
