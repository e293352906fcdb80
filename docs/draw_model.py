"""Draws model.svg, the picture of the model in the README:  python docs/draw_model.py"""

from __future__ import annotations

import matplotlib.pyplot as plt
from drawing import EXPERT, LSTM, MIXTURE, PLAIN, arrow, box, save
from matplotlib.axes import Axes


def column(axes: Axes, x: float, layers: list[tuple[str, str]]) -> list[float]:
    """Boxes one above the other with arrows between them; returns their heights."""
    heights = [1.0 * index for index in range(len(layers))]
    for y, (text, color) in zip(heights, layers, strict=True):
        box(axes, (x, y), text, color)
        if y:
            arrow(axes, (x, y - 0.7), (x, y - 0.3))
        if color in (LSTM, MIXTURE):  # the residual connection
            arrow(axes, (x - 1.45, y - 0.5), (x - 1.45, y + 0.45), "#999999", -0.5)
    return heights


def draw_translation_model(axes: Axes) -> None:
    """Encoder, attention and decoder."""
    encoder = [
        ("source words", "white"),
        ("embedding", PLAIN),
        ("LSTM 1", LSTM),
        ("LSTM 2", LSTM),
        ("mixture of experts", MIXTURE),
        ("LSTM 3", LSTM),
    ]
    decoder = [
        ("target words so far", "white"),
        ("embedding", PLAIN),
        ("LSTM 1", LSTM),
        ("mixture of experts", MIXTURE),
        ("LSTM 2", LSTM),
        ("softmax: next word", PLAIN),
    ]
    column(axes, 0, encoder)
    column(axes, 7, decoder)
    box(axes, (3.5, 3), "attention", PLAIN, 1.6)
    arrow(axes, (1.45, 5), (3.5, 3.3), bend=-0.3)
    arrow(axes, (5.5, 2.1), (4.3, 2.85))
    arrow(axes, (3.6, 2.7), (5.5, 1.85), bend=0.25)
    axes.text(3.7, 1.75, "context", fontsize=9, color="#444444", ha="center")


def draw_mixture(axes: Axes) -> None:
    """A look into the mixture of experts."""
    x = 12.8
    axes.text(x, 5.0, "y = G(x)₂ E₂(x) + G(x)₄ E₄(x)", ha="center", va="center", fontsize=10)
    box(axes, (x, 4.1), "weighted sum", PLAIN)
    arrow(axes, (x, 4.4), (x, 4.8))
    for index in range(5):
        at = x - 2.4 + 1.2 * index
        chosen = index in (1, 3)
        name = "…" if index == 4 else f"E{index + 1}"
        box(axes, (at, 2.7), name, MIXTURE if chosen else EXPERT, 0.9)
        if chosen:
            arrow(axes, (x, 1.3), (at, 2.4), "#b45f06")
            arrow(axes, (at, 3.0), (x + 0.35 * (index - 2), 3.8), "#b45f06")
    box(axes, (x, 1.0), "gate: the k best of n", PLAIN, 3.4)
    arrow(axes, (x, 0.3), (x, 0.7))
    axes.text(x, 0, "x, a word's vector", ha="center", va="center", fontsize=10)
    axes.plot([8.45, 9.6], [3.3, 5.3], ":", color="#b45f06", lw=1)
    axes.plot([8.45, 9.6], [2.7, -0.3], ":", color="#b45f06", lw=1)
    axes.plot([9.6, 9.6], [-0.3, 5.3], ":", color="#b45f06", lw=1)


def main() -> None:
    """Writes the picture beside this file."""
    figure, axes = plt.subplots(figsize=(12, 4.6))
    draw_translation_model(axes)
    draw_mixture(axes)
    axes.set_xlim(-2.2, 16)
    axes.set_ylim(-0.5, 5.6)
    axes.axis("off")
    save(figure, "model.svg")


if __name__ == "__main__":
    main()
