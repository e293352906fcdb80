"""Numbers among a command's options."""

from __future__ import annotations

import argparse


def positive(text: str) -> int:
    """A number from 1 on."""
    if (number := int(text)) < 1:
        raise argparse.ArgumentTypeError(f"must be at least 1, not {number}")
    return number


def seed(text: str) -> int:
    """A number that every generator takes: of 32 bits."""
    if not 0 <= (number := int(text)) < 1 << 32:
        raise argparse.ArgumentTypeError(f"must be from 0 to {(1 << 32) - 1}, not {number}")
    return number
