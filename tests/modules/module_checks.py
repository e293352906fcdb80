"""What the tests of the modules share: random batches and parameters."""

import torch
from hypothesis import settings

randomly = settings(derandomize=True, deadline=None, max_examples=15)


def draw(*shape, seed=0):
    """Normal values, a leaf."""
    return torch.randn(shape, generator=torch.Generator().manual_seed(seed)).requires_grad_()


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
