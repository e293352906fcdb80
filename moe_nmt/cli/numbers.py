"""Numbers among a command's options."""

from __future__ import annotations

import argparse
from collections.abc import Callable


def positive(text: str) -> int:
    """A number from 1 on."""
    if (number := int(text)) < 1:
        raise argparse.ArgumentTypeError(f"must be at least 1, not {number}")
    return number


def between(least: int, most: int) -> Callable[[str], int]:
    """A number from ``least`` to ``most``."""

    def number(text: str) -> int:
        if not least <= (found := int(text)) <= most:
            raise argparse.ArgumentTypeError(f"must be from {least} to {most}, not {found}")
        return found

    return number


draws = between(1, 100_000)  # from a corpus of any size, what memory holds
threads = between(1, 1024)  # of a CPU, what torch can start
seed = between(0, (1 << 32) - 1)  # every generator takes 32 bits


def share(text: str) -> float:
    """A part of a whole, or all of it."""
    if not 0 < (number := float(text)) <= 1:
        raise argparse.ArgumentTypeError(f"must be more than 0 and at most 1, not {number}")
    return number
