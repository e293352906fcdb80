"""What the pictures of the docs have in common: boxes, arrows, colours, and files that repeat."""

from __future__ import annotations

from pathlib import Path

import matplotlib

matplotlib.use("svg")
matplotlib.rcParams["svg.hashsalt"] = "moe_nmt"  # the same file at every run
matplotlib.rcParams["svg.fonttype"] = "none"
matplotlib.rcParams["font.family"] = "sans-serif"

from matplotlib.axes import Axes  # noqa: E402
from matplotlib.figure import Figure  # noqa: E402
from matplotlib.patches import FancyArrowPatch, FancyBboxPatch  # noqa: E402

LSTM, MIXTURE, EXPERT, PLAIN = "#cfe2f3", "#f9cb9c", "#fce5cd", "#eeeeee"
Point = tuple[float, float]


def box(
    axes: Axes, at: Point, text: str, color: str, width: float = 2.9, height: float = 0.6
) -> None:
    """A box centred at a point."""
    x, y = at
    shape = "round,pad=0,rounding_size=0.12"
    corner = (x - width / 2, y - height / 2)
    axes.add_patch(FancyBboxPatch(corner, width, height, shape, fc=color, ec="#444444"))
    axes.text(x, y, text, ha="center", va="center", fontsize=10)


def arrow(axes: Axes, start: Point, end: Point, color: str = "#444444", bend: float = 0) -> None:
    """An arrow, straight or bent."""
    style = f"arc3,rad={bend}"
    patch = FancyArrowPatch(
        start, end, arrowstyle="-|>", mutation_scale=11, color=color, connectionstyle=style
    )
    axes.add_patch(patch)


def save(figure: Figure, name: str) -> None:
    """Writes a picture into the folder of the docs."""
    figure.savefig(Path(__file__).with_name(name), bbox_inches="tight", metadata={"Date": None})
