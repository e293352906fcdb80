"""What the tests of the modules share: random batches, comparison of values and gradients."""

import torch
from hypothesis import settings

randomly = settings(derandomize=True, deadline=None, max_examples=15)


def draw(*shape, seed=0):
    """Normal values, a leaf."""
    return torch.randn(shape, generator=torch.Generator().manual_seed(seed)).requires_grad_()


def in_double(*tensors):
    """Copies for a reference: leaves in float64."""
    return [tensor.detach().double().requires_grad_() for tensor in tensors]


def randomise(module, seed):
    """Draws all parameters, of a size that keeps tanh and sigmoid away from their ends."""
    generator = torch.Generator().manual_seed(seed)
    with torch.no_grad():
        for parameter in module.parameters():
            parameter.normal_(std=0.5, generator=generator)


def is_token(lengths, time=None):
    """[time, batch] bool."""
    lengths = torch.as_tensor(lengths)
    return torch.arange(int(lengths.max()) if time is None else time)[:, None] < lengths


def gradients(outputs, inputs, seed=0):
    """Gradients of a random linear function of ``outputs``; zeros where there is none."""
    generator = torch.Generator().manual_seed(seed)
    total = sum(
        (output * torch.randn(output.shape, generator=generator).to(output)).sum()
        for output in outputs
    )
    found = torch.autograd.grad(total, inputs, allow_unused=True, retain_graph=True)
    return [
        torch.zeros_like(tensor) if gradient is None else gradient
        for gradient, tensor in zip(found, inputs, strict=True)
    ]


def assert_all_close(actual, expected, rtol=1e-4, atol=2e-5):
    """Compares sequences of tensors of different precision."""
    for one, other in zip(actual, expected, strict=True):
        torch.testing.assert_close(one.double(), other.double(), rtol=rtol, atol=atol)
