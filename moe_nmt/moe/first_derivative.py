"""Gradients that are written out are those of the first order alone."""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any

import torch


def first_derivative(backward: Callable[..., Any]) -> Callable[..., Any]:
    """A ``backward`` of a ``torch.autograd.Function`` that refuses to be differentiated again.

    torch's ``once_differentiable`` refuses only where the incoming gradient has one itself, and
    lets the second derivative of a plain sum be wrong.
    """

    @functools.wraps(backward)
    def checked(ctx: Any, *grads: Any) -> Any:
        if torch.is_grad_enabled() and not torch.compiler.is_compiling():
            raise RuntimeError(
                "moe_nmt has no second derivatives: leave out create_graph=True and gradient "
                "penalties"
            )
        return backward(ctx, *grads)

    return checked
