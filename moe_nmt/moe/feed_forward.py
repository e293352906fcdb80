"""relu(x W_in) W_out of every expert: forward and backward in one pass over the weights.

With hundreds of experts the time goes into memory, not arithmetic: on a CPU into reading the
weights, writing their gradients, and page faults on memory that is fresh.  So experts are taken in
chunks that stay in the cache from the first product to the last, and all that is large lives in
memory that is used again in the next step (``reused_memory.py``).  A GPU's chunks are larger, to
start few kernels; it has a faster one where it multiplies in bfloat16 (``grouped.py``).
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import torch
from torch import Tensor

from moe_nmt.moe.chunks import experts_at_once, layout
from moe_nmt.moe.eager import eager
from moe_nmt.moe.first_derivative import first_derivative
from moe_nmt.moe.reused_memory import ReusedMemory

# Takes the gradient [experts, in, out] of the weights of some experts, in their precision; it may
# change both from then on.  None: the gradient is zero.  All experts come, in their order.
Receiver = Callable[[slice, Tensor | None], None]


@eager
def feed_forward(
    x: Tensor,
    w_in: Tensor,
    w_out: Tensor,
    tokens_per_expert: Tensor,
    recompute: bool,
    memory: ReusedMemory,
    receivers: Sequence[Receiver | None] = (None, None),
) -> Tensor:
    """y = relu(x W_in[i]) W_out[i] for the rows of every expert i, in the precision of ``x``.

    Args:
        x: [rows, dim], sorted by expert.
        w_in: [experts, dim, hidden].
        w_out: [experts, hidden, output_dim].
        tokens_per_expert: [experts] int64, adding up to ``rows``.
        recompute: compute the hidden activations again in the backward pass, and store none.
        memory: where activations and gradients are to live.
        receivers: who takes the gradients of ``w_in`` and of ``w_out``, a few experts' at a time
            during the backward pass; None: they are the weights' ``grad`` after it.

    Returns:
        [rows, output_dim].
    """
    keep = torch.is_grad_enabled() and not recompute
    with torch.autocast(x.device.type, enabled=False):
        y: Tensor = FeedForward.apply(
            x.contiguous(), w_in, w_out, tokens_per_expert, keep, memory, receivers
        )
    return y


class FeedForward(torch.autograd.Function):
    """``feed_forward`` and its gradients, written out."""

    @staticmethod
    def forward(
        ctx: Any,
        x: Tensor,
        w_in: Tensor,
        w_out: Tensor,
        tokens_per_expert: Tensor,
        keep: bool,
        memory: ReusedMemory,
        receivers: Sequence[Receiver | None],
    ) -> Tensor:
        """As ``feed_forward``; ``keep``: keep the hidden activations for the backward pass."""
        form = layout(tokens_per_expert, w_in[0].numel())
        dtype, hidden_size = x.dtype, w_in.size(2)
        x = form.pad(x, memory)
        y = memory.empty((x.size(0), w_out.size(2)), dtype, x.device)
        kept = memory.empty((x.size(0), hidden_size), dtype, x.device) if keep else None
        hidden = form.scratch(hidden_size, x, memory) if kept is None else form.chunks(kept)
        weights = w_in.split(form.experts), w_out.split(form.experts)
        for x_c, hidden_c, y_c, w_in_c, w_out_c in zip(
            form.chunks(x), hidden, form.chunks(y), *weights, strict=True
        ):
            if x_c.size(1):
                torch.bmm(x_c, w_in_c.to(dtype), out=hidden_c).relu_()
                torch.bmm(hidden_c, w_out_c.to(dtype), out=y_c)
        ctx.layout, ctx.memory, ctx.receivers = form, memory, receivers
        ctx.save_for_backward(x, w_in, w_out, kept)
        return form.unpad(y, memory)

    @staticmethod
    @first_derivative
    def backward(ctx: Any, grad_y: Tensor) -> tuple[Tensor | None, ...]:
        """[rows, output_dim] -> the gradients of x, and of w_in and w_out unless taken."""
        with torch.autocast(grad_y.device.type, enabled=False):
            return FeedForward.gradients(ctx, grad_y)

    @staticmethod
    def gradients(ctx: Any, grad_y: Tensor) -> tuple[Tensor | None, ...]:
        """What ``backward`` returns."""
        x, w_in, w_out, kept = ctx.saved_tensors
        form, memory = ctx.layout, ctx.memory
        to_in, to_out = (
            Gradient(weight, receiver, memory)
            for weight, receiver in zip((w_in, w_out), ctx.receivers, strict=True)
        )
        dtype, hidden_size = x.dtype, w_in.size(2)
        grad_y = form.pad(grad_y.contiguous(), memory)
        grad_x = memory.empty(x.shape, dtype, x.device)
        hidden = form.scratch(hidden_size, x, memory) if kept is None else form.chunks(kept)
        grad_hidden = form.scratch(hidden_size, x, memory)
        rows = (form.chunks(x), hidden, form.chunks(grad_y), grad_hidden, form.chunks(grad_x))
        weights = (weight.split(form.experts) for weight in (w_in, w_out))
        last = 0
        for experts, x_c, hidden_c, gy_c, gh_c, gx_c, w_in_c, w_out_c in zip(
            form.experts, *rows, *weights, strict=True
        ):
            here = slice(last, last := last + experts)
            if not x_c.size(1):
                to_in.zero(here)
                to_out.zero(here)
                continue
            w_in_c, w_out_c = w_in_c.to(dtype), w_out_c.to(dtype)
            if kept is None:
                torch.bmm(x_c, w_in_c, out=hidden_c).relu_()
            torch.bmm(gy_c, w_out_c.mT, out=gh_c)
            to_out.product(here, hidden_c.mT, gy_c)  # who takes it changes w_out_c, used above
            torch.ops.aten.threshold_backward.grad_input(gh_c, hidden_c, 0, grad_input=gh_c)
            torch.bmm(gh_c, w_in_c.mT, out=gx_c)
            to_in.product(here, x_c.mT, gh_c)
        return form.unpad(grad_x, memory), to_in.whole, to_out.whole, None, None, None, None


class Gradient:
    """Where the gradient of experts' weights goes: into one tensor, or to a receiver.

    Args:
        weight: [experts, in, out].
        receiver: takes the gradient; None: it is kept.
        memory: for it.
    """

    def __init__(self, weight: Tensor, receiver: Receiver | None, memory: ReusedMemory) -> None:
        self.receiver, self.memory = receiver, memory
        self.shape, self.dtype, self.device = weight.shape[1:], weight.dtype, weight.device
        self.whole = None
        if receiver is None:
            self.whole = memory.empty(weight.shape, weight.dtype, weight.device)
        self.experts_at_once = experts_at_once(weight)

    def zero(self, experts: slice) -> None:
        """Some experts have none."""
        if self.whole is not None:
            self.whole[experts].zero_()
        elif self.receiver is not None:
            self.receiver(experts, None)

    def product(self, experts: slice, a: Tensor, b: Tensor) -> None:
        """That of some experts is a b: [experts, in, rows], [experts, rows, out]."""
        if self.whole is not None:
            write_product(a, b, self.whole[experts])
        elif self.receiver is not None:
            first = experts.start
            for a_c, b_c in zip(
                a.split(self.experts_at_once), b.split(self.experts_at_once), strict=True
            ):
                part = self.memory.empty((len(a_c), *self.shape), self.dtype, self.device)
                write_product(a_c, b_c, part)
                self.receiver(slice(first, first + len(a_c)), part)
                first += len(a_c)


def write_product(a: Tensor, b: Tensor, out: Tensor) -> None:
    """Batched a b, in the precision of ``out``: [n, i, j], [n, j, k] -> [n, i, k]."""
    if out.dtype == a.dtype:
        torch.bmm(a, b, out=out)
    else:
        out.copy_(torch.bmm(a, b))
