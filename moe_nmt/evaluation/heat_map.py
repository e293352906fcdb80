"""A table of figures as a picture: SVG, one coloured cell for each."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from xml.sax.saxutils import escape

import numpy as np
from numpy.typing import NDArray

CELL, MARGIN = (54, 30), 70  # pixels: width and height, and the room for names
LOW, HIGH = np.array([255, 250, 240]), np.array([246, 178, 107])  # red, green, blue


@dataclass(frozen=True)
class Axis:
    """What an axis stands for, and its values."""

    name: str
    values: Sequence[float]


def heat_map(figures: NDArray[np.float64], rows: Axis, columns: Axis, title: str) -> str:
    """The picture of figures [rows, columns], the highest (of equal ones the first) framed."""
    width, height = CELL
    least, most = figures.min(), figures.max()
    best = np.unravel_index(figures.argmax(), figures.shape)
    right, bottom = MARGIN + width * len(columns.values), MARGIN + height * len(rows.values)
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" width="{right + 10}" height="{bottom + 10}" '
        'font-family="sans-serif" font-size="12" text-anchor="middle">',
        '<rect width="100%" height="100%" fill="white"/>',
        text((MARGIN + right) / 2, 18, title),
        text((MARGIN + right) / 2, 40, columns.name),
        text(20, (MARGIN + bottom) / 2, rows.name),
    ]
    parts += [
        text(MARGIN + width * (index + 0.5), 60, f"{value:g}")
        for index, value in enumerate(columns.values)
    ]
    parts += [
        text(MARGIN - 20, MARGIN + height * (index + 0.5) + 4, f"{value:g}")
        for index, value in enumerate(rows.values)
    ]
    frame = ""
    for (row, column), figure in np.ndenumerate(figures):
        part = (figure - least) / (most - least) if most > least else 0.0
        color = "rgb({},{},{})".format(*np.rint(LOW + part * (HIGH - LOW)).astype(int))
        x, y = MARGIN + width * column, MARGIN + height * row
        box = f'<rect x="{x}" y="{y}" width="{width}" height="{height}" '
        parts.append(f'{box}fill="{color}"/>')
        parts.append(text(x + width / 2, y + height / 2 + 4, f"{figure:.2f}"))
        if (row, column) == best:
            frame = f'{box}fill="none" stroke="black" stroke-width="2"/>'
    return "\n".join([*parts, frame, "</svg>", ""])


def text(x: float, y: float, words: str) -> str:
    """Words centred at x, their line at y."""
    return f'<text x="{x:g}" y="{y:g}">{escape(words)}</text>'
