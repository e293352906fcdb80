"""Rounding to bfloat16 up or down at random, so that the mean of what is rounded stays.

Rounded to the nearest, a weight of 8 significant bits would stay where it is at every update that
is smaller than half of its last bit, and so hardly learn.
"""

from collections.abc import Sequence
from hashlib import blake2b

import torch
from torch import Tensor


def round_stochastically(x: Tensor, seed: Sequence[int]) -> Tensor:
    """Rounds float32 of any shape to one of its two neighbours in bfloat16.

    The nearer one is the more likely: the expected value is ``x``.  What bfloat16 can represent
    stays, infinities and NaN among it.

    Args:
        x: float32, contiguous.
        seed: numbers that determine the rounding.
    """
    mixed = blake2b(repr(tuple(seed)).encode(), digest_size=7).digest()
    generator = torch.Generator(x.device).manual_seed(int.from_bytes(mixed, "big"))
    # 16 random bits for each number, four numbers' at once
    draws = torch.empty((x.numel() + 3) // 4, dtype=torch.int64, device=x.device)
    draws.random_(torch.iinfo(torch.int64).min, None, generator=generator)
    added = draws.view(torch.int16)[: x.numel()].view(x.shape).to(torch.int32).bitwise_and_(0xFFFF)
    # A bfloat16 is the upper half of a float32: the carry out of the lower half rounds up.
    bits = added.add_(x.view(torch.int32)).bitwise_and_(~0xFFFF)
    return torch.where(x.isfinite(), bits.view(torch.float32), x).to(torch.bfloat16)
