"""Comparison of a fast piece with a slow reference: values and gradients."""

from typing import Any

import torch


def in_double(*tensors):
    """Copies for a reference: leaves in float64."""
    return [tensor.detach().double().requires_grad_() for tensor in tensors]


def gradients(outputs, inputs, seed=0):
    """Gradients of a random linear function of ``outputs``; zeros where there is none."""
    generator = torch.Generator().manual_seed(seed)
    total = 0
    for output in outputs:
        total = total + (output * torch.randn(output.shape, generator=generator).to(output)).sum()
    if not torch.is_tensor(total) or not total.requires_grad:
        return [torch.zeros_like(tensor) for tensor in inputs]
    found = torch.autograd.grad(total, inputs, allow_unused=True, retain_graph=True)
    return [
        torch.zeros_like(tensor) if gradient is None else gradient
        for gradient, tensor in zip(found, inputs, strict=True)
    ]


def assert_all_close(actual, expected, rtol=1e-4, atol=2e-5):
    """Compares sequences of tensors of different precision."""
    for one, other in zip(actual, expected, strict=True):
        torch.testing.assert_close(one.double(), other.double(), rtol=rtol, atol=atol)


def assert_same(actual: Any, expected: Any, tolerance: float) -> None:
    """Relative to the size of a tensor's largest value."""
    if isinstance(expected, dict):
        assert actual.keys() == expected.keys()
        for name in expected:
            assert_same(actual[name], expected[name], tolerance)
        return
    limit = tolerance * expected.abs().max().item()
    torch.testing.assert_close(actual, expected, rtol=0, atol=limit)
