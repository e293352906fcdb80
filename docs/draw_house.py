"""Draws house.svg, the picture of house.md:  python docs/draw_house.py"""

from __future__ import annotations

import textwrap

import matplotlib.pyplot as plt
from drawing import EXPERT, LSTM, box, save
from imports import imports, purpose, used
from matplotlib.axes import Axes
from matplotlib.patches import Polygon

TEXT = "#d9ead3"
WIDTH, STOREY, GAP = 16.0, 1.75, 0.1
# Floors from the ground up, and the rooms on each: how wide, and whose.
FLOORS = [
    [(4.2, "errors"), (4.2, "options"), (7.6, "files")],
    [(4.2, "corpus/sources"), (4.2, "corpus/cleaning"), (7.6, "moe")],
    [(4.2, "corpus/subwords"), (4.2, "corpus/preparation"), (3.8, "distributed"), (3.8, "modules")],
    [(8.4, "evaluation"), (3.8, "checkpoints"), (3.8, "models")],
    [(2.6, "optim"), (2.6, "criterions"), (3.2, "search"), (3.8, "training"), (3.8, "tasks")],
    [(4.2, "plugin"), (4.2, "insight"), (4.4, "translation"), (3.2, "serving")],
]
ROOF = "cli"


def color(part: str) -> str:
    """By the heaviest package that a part needs, itself or through another."""
    needed: set[str] = set()
    reached: set[str] = set()
    ahead = {part}
    while ahead:
        found = [one for one in imports() if one.part in ahead]
        reached |= ahead
        needed |= {one.of for one in found if not one.is_ours}
        ahead = {one.of for one in found if one.is_ours} - reached
    return LSTM if "fairseq" in needed else EXPERT if "torch" in needed else TEXT


def write(axes: Axes, part: str, x: float, y: float, width: float) -> None:
    """Name, purpose and imports of a part, centred at a point."""
    lines = textwrap.wrap(purpose(part), round(9.2 * width - 3.5))
    imported = textwrap.wrap(f"imports {used(part)}", round(10.5 * width - 4)) if used(part) else []
    y += 0.11 * (len(lines) + len(imported)) + 0.03
    axes.text(x, y, part, ha="center", va="center", fontsize=11, weight="bold")
    y -= 0.06
    for line in lines:
        y -= 0.23
        axes.text(x, y, line, ha="center", va="center", fontsize=7.8)
    for line in imported:
        y -= 0.22
        axes.text(x, y, line, ha="center", va="center", fontsize=7.2, color="#666666")


def draw_rooms(axes: Axes) -> None:
    """Floor by floor."""
    for floor, rooms in enumerate(FLOORS):
        x = 0.0
        for width, part in rooms:
            centre = (x + width / 2, (floor + 0.5) * STOREY)
            box(axes, centre, "", color(part), width - GAP, STOREY - GAP)
            write(axes, part, *centre, width)
            x += width


def draw_roof(axes: Axes) -> None:
    """Over them all."""
    eaves, ridge = len(FLOORS) * STOREY + GAP / 2, len(FLOORS) * STOREY + 1.35
    corners = [(-0.5, eaves), (WIDTH + 0.5, eaves), (WIDTH - 3.2, ridge), (3.2, ridge)]
    axes.add_patch(Polygon(corners, fc=color(ROOF), ec="#444444", joinstyle="round"))
    write(axes, ROOF, WIDTH / 2, (eaves + ridge) / 2, 10)


def draw_legend(axes: Axes) -> None:
    """What the colours mean."""
    legend = {TEXT: "no torch", EXPERT: "torch alone", LSTM: "torch and fairseq"}
    for place, (shade, meaning) in enumerate(legend.items()):
        x = 4.8 + 2.4 * place
        box(axes, (x, -0.35), "", shade, 0.4, 0.3)
        axes.text(x + 0.35, -0.35, meaning, va="center", fontsize=7.8)


def main() -> None:
    """Writes the picture beside this file."""
    figure, axes = plt.subplots(figsize=(12, 9))
    draw_rooms(axes)
    draw_roof(axes)
    draw_legend(axes)
    axes.set_xlim(-0.6, WIDTH + 0.6)
    axes.set_ylim(-0.6, 11.95)
    axes.axis("off")
    save(figure, "house.svg")


if __name__ == "__main__":
    main()
