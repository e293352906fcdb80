"""What the tests of the layer share: random cases, and comparison of values and gradients."""

import torch
from hypothesis import settings
from hypothesis import strategies as st

randomly = settings(derandomize=True, deadline=None, max_examples=25)
seeds = st.integers(0, 2**31 - 1)


@st.composite
def sizes(draw, most_tokens=9, most_experts=7):
    """Tokens, token size, experts and k of a gate."""
    experts = draw(st.integers(1, most_experts))
    return (
        draw(st.integers(1, most_tokens)),
        draw(st.integers(1, 9)),
        experts,
        draw(st.integers(1, experts)),
    )


def randomise(module, seed):
    """Draws all parameters, so that no gate is at its start."""
    generator = torch.Generator().manual_seed(seed)
    with torch.no_grad():
        for parameter in module.parameters():
            parameter.normal_(generator=generator)


def tokens_like(tokens, dim, seed):
    """Random token vectors [tokens, dim], a leaf."""
    generator = torch.Generator().manual_seed(seed + 1)
    return torch.randn(tokens, dim, generator=generator).requires_grad_()


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
