"""What the tests of the layer share: random cases."""

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
