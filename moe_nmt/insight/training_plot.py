"""Learning curves, balance, learning rate and speed of trainings, drawn from their logs."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from moe_nmt.errors import UserError
from moe_nmt.files.tables import table
from moe_nmt.files.text import written_whole
from moe_nmt.insight.training_log import Figures, TrainingLog

LINES = ("-", "--", "-.", ":")  # of the mixtures of a run


def summary(logs: Mapping[str, TrainingLog]) -> str:
    """A line for each run: how far it is, its best validation, its speed and its last balance."""
    head = ["", "updates", "best perplexity", "at update", "last", "words/s", "max/mean load"]
    rows = [head]
    for name, log in logs.items():
        perplexities = {n: f["ppl"] for n, f in log.validation.items() if "ppl" in f}
        best = min(perplexities, key=perplexities.__getitem__, default=None)
        last = next(reversed(log.training.values()), {})
        balance = [
            f"{mixture} {last[f'{mixture}_max_over_mean_load']:.2f}"
            for mixture in log.mixtures()
            if f"{mixture}_max_over_mean_load" in last
        ]
        speeds = sorted(f["wps"] for f in log.training.values() if "wps" in f)
        rows.append(
            [
                name,
                str(max([*log.training, *log.validation])),
                "" if best is None else f"{perplexities[best]:.2f}",
                "" if best is None else str(best),
                "" if best is None else f"{perplexities[max(perplexities)]:.2f}",
                f"{speeds[len(speeds) // 2]:.0f}" if speeds else "",
                ", ".join(balance),
            ]
        )
    return table(rows)


def draw(logs: Mapping[str, TrainingLog], path: Path) -> None:
    """Writes the picture, of the kind that the file's name ends in, such as .svg or .png.

    Raises:
        UserError: matplotlib is missing, or does not know the kind.
    """
    try:
        import matplotlib as mpl
        from matplotlib.figure import Figure
    except ImportError as error:
        raise UserError("--plot needs matplotlib: pip install matplotlib") from error
    figure = Figure(figsize=(10, 6.5), layout="constrained")
    kinds = figure.canvas.get_supported_filetypes()
    if path.suffix[1:] not in kinds:
        raise UserError(f"{path} has to end in .svg, .png or another of {', '.join(kinds)}")
    (loss, balance), (rate, speed) = figure.subplots(2, 2)
    for number, (name, log) in enumerate(logs.items()):
        color = f"C{number}"
        curve(loss, log.training, "ppl", color=color, alpha=0.4, linewidth=1)
        curve(loss, log.validation, "ppl", color=color, marker="o", markersize=3, label=name)
        for index, mixture in enumerate(log.mixtures()):
            style = LINES[index % len(LINES)]
            label = f"{name} {mixture}"
            key = f"{mixture}_max_over_mean_load"
            curve(balance, log.training, key, color=color, linestyle=style, label=label)
        curve(rate, log.training, "lr", color=color)
        curve(speed, log.training, "wps", color=color)
    loss.set_yscale("log")
    titles = {
        loss: "perplexity: training (pale), validation",
        balance: "max/mean load of the experts, training",
        rate: "learning rate",
        speed: "target words/s",
    }
    for axes, title in titles.items():
        axes.set_title(title, fontsize=10)
        axes.grid(visible=True, alpha=0.3)
        axes.tick_params(labelsize=8)
        axes.set_xlabel("updates", fontsize=8)
        if axes.get_legend_handles_labels()[1]:
            axes.legend(fontsize=7)
    metadata = {"Date": None} if path.suffix == ".svg" else {}
    with (
        mpl.rc_context({"svg.hashsalt": "moe_nmt"}),  # the same bytes at every run
        written_whole(path) as temporary,
    ):
        figure.savefig(temporary, format=path.suffix[1:], metadata=metadata)


def curve(axes: Any, figures: Mapping[int, Figures], key: str, **style: Any) -> None:
    """Draws a figure over the updates where it was logged."""
    points = [(number, values[key]) for number, values in figures.items() if key in values]
    if points:
        axes.plot(*zip(*points, strict=True), **style)
