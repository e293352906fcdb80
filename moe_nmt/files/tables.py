"""The tables that commands print, their figures to the right."""

from __future__ import annotations

import statistics
from collections.abc import Iterable, Sequence
from typing import Any

from tabulate import tabulate  # type: ignore[import-untyped]

SIDES = {"l": "left", "r": "right"}


def table(rows: Iterable[Sequence[Any]], sides: str = "lr") -> str:
    """Rows in columns; the first one may be a head.

    Args:
        rows: of cells, which stay as they are written: a figure keeps its digits.
        sides: where each column is aligned, left or right; the last is for all that follow.
    """
    return aligned(rows, sides, tablefmt="plain")


def markdown(rows: Iterable[Sequence[Any]], sides: str = "lr") -> str:
    """The same in Markdown; the first row is the head."""
    return aligned(rows, sides, tablefmt="pipe", headers="firstrow")


def aligned(rows: Iterable[Sequence[Any]], sides: str, **style: str) -> str:
    """A table in one of tabulate's styles."""
    lines = [*rows]
    alignment = [SIDES[side] for side in sides.ljust(len(lines[0]), sides[-1])]
    written: str = tabulate(lines, disable_numparse=True, colalign=alignment, **style)
    return "\n".join(line.rstrip() for line in written.splitlines())


def mean_and_deviation(values: Sequence[float]) -> str:
    """Such as 35.62 ± 0.11; the mean alone of a single value."""
    mean = f"{statistics.mean(values):.2f}"
    return f"{mean} ± {statistics.stdev(values):.2f}" if len(values) > 1 else mean
