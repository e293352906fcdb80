"""Numbers among a command's options."""

from __future__ import annotations

import argparse

MOST_DRAWS, MOST_THREADS = 100_000, 1024


def positive(text: str) -> int:
    """A number from 1 on."""
    if (number := int(text)) < 1:
        raise argparse.ArgumentTypeError(f"must be at least 1, not {number}")
    return number


def draws(text: str) -> int:
    """How often to draw: a number from 1 to what memory holds for a corpus of any size."""
    if not 1 <= (number := int(text)) <= MOST_DRAWS:
        raise argparse.ArgumentTypeError(f"must be from 1 to {MOST_DRAWS}, not {number}")
    return number


def threads(text: str) -> int:
    """How many threads of the CPU: from 1 to what torch can start."""
    if not 1 <= (number := int(text)) <= MOST_THREADS:
        raise argparse.ArgumentTypeError(f"must be from 1 to {MOST_THREADS}, not {number}")
    return number


def seed(text: str) -> int:
    """A number that every generator takes: of 32 bits."""
    if not 0 <= (number := int(text)) < 1 << 32:
        raise argparse.ArgumentTypeError(f"must be from 0 to {(1 << 32) - 1}, not {number}")
    return number
