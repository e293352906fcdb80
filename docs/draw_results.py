"""Draws the pictures of results.md from docs/results/*.json, and prints its tables:

python docs/draw_results.py
"""

from __future__ import annotations

import json
import math
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import matplotlib.pyplot as plt
from drawing import save
from matplotlib.axes import Axes
from matplotlib.ticker import FuncFormatter

from moe_nmt.insight.capacity_report import by_variant, tables

RESULTS = Path(__file__).with_name("results")
WITHOUT_EXPERTS = ("dense", "wide LSTM")
STYLES = dict.fromkeys(WITHOUT_EXPERTS, ":")


def draw_capacity(axes: Axes, records: Sequence[dict[str, Any]]) -> None:
    """Figure 2: perplexity on the test set against parameters, a point for each run."""
    for name, runs in by_variant(records).items():
        marker = "s" if name in WITHOUT_EXPERTS else ("^" if name.endswith("h") else "o")
        x = [run["parameters"] / 1e6 for run in runs]
        y = [run["test"]["perplexity"] for run in runs]
        axes.plot(x, y, marker, label=name, markersize=6)
    axes.set_xscale("log")
    axes.set_xlabel("million parameters")
    axes.set_ylabel("perplexity, test set")


def draw_curves(axes: Axes, records: Sequence[dict[str, Any]], key: str, scale: float) -> None:
    """Figure 3: perplexity on the validation set during training, the mean of the seeds."""
    for name, runs in by_variant(records).items():
        points = list(zip(*(run["curve"] for run in runs), strict=True))[1:]
        x = [sum(p[key] for p in of_seeds) / len(of_seeds) / scale for of_seeds in points]
        y = [math.exp(sum(p["nats"] for p in of_seeds) / len(of_seeds)) for of_seeds in points]
        axes.plot(x, y, STYLES.get(name, "-"), label=name, linewidth=1.2)
    axes.set_yscale("log")
    axes.set_ylabel("perplexity, validation set")


def plain(value: float, _: int) -> str:
    """A number on an axis without powers of ten."""
    return f"{value:g}"


def draw(task: str) -> None:
    """The three pictures of a task, side by side."""
    path = RESULTS / f"{task}.json"
    records = json.loads(path.read_text(encoding="utf-8"))
    figure, (capacity, words, hours) = plt.subplots(1, 3, figsize=(12, 3.6))
    draw_capacity(capacity, records)
    draw_curves(words, records, "tokens", 1e6)
    words.set_xlabel("million tokens read")
    draw_curves(hours, records, "seconds", 3600)
    hours.set_xlabel("hours")
    for axes in (capacity, words, hours):
        for axis in (axes.xaxis, axes.yaxis):
            axis.set_major_formatter(FuncFormatter(plain))
            axis.set_minor_formatter(FuncFormatter(plain))
        axes.grid(visible=True, which="both", alpha=0.3)
        axes.tick_params(which="both", labelsize=8)
    capacity.legend(fontsize=7)
    figure.tight_layout()
    save(figure, f"capacity_{task}.svg")
    print(f"{task}\n\n{tables(records)}\n")


def main() -> None:
    """Draws what has been measured."""
    for path in sorted(RESULTS.glob("*.json")):
        draw(path.stem)


if __name__ == "__main__":
    main()
