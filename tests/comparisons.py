"""Comparison of a fast piece with a slow reference: values and gradients."""

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
