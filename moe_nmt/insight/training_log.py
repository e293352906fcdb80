"""What a log of fairseq-train tells: its figures by the number of updates."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from moe_nmt.errors import UserError
from moe_nmt.files.text import read_text

Figures = Mapping[str, float]

# What follows the time and the level in --log-format simple and json, during training and after
# a validation, whose figures have a prefix in json.
LINE = re.compile(r"\| (train_inner|valid) \| (.*)$")
SIMPLE = re.compile(r"(\w+)[= ](-?[\d.]+(?:e[-+]?\d+)?|nan|-?inf)(?=[,\s|]|$)")
PREFIX = "valid_"


@dataclass(frozen=True)
class TrainingLog:
    """The figures of a run.

    Args:
        training: since the line before, by the number of updates until then.
        validation: by the number of updates before it.
    """

    training: dict[int, Figures]
    validation: dict[int, Figures]

    def mixtures(self) -> list[str]:
        """The names of the mixtures of experts, in alphabetical order."""
        end = "_max_over_mean_load"
        names = {name.removesuffix(end) for figures in self.training.values() for name in figures}
        return sorted(n for n in names if any(n + end in f for f in self.training.values()))


def read_log(path: Path) -> TrainingLog:
    """Reads a log, of a run that was resumed too: of what it did twice the second time counts.

    Raises:
        UserError: there are no figures of fairseq-train in it.
    """
    training: dict[int, Figures] = {}
    validation: dict[int, Figures] = {}
    for kind, figures in lines(path):
        if "num_updates" in figures:
            found = training if kind == "train_inner" else validation
            found[int(figures["num_updates"])] = figures
    if not training and not validation:
        raise UserError(
            f"{path} has no figures of fairseq-train: it needs the lines that --log-format simple "
            "or json writes"
        )
    return TrainingLog(dict(sorted(training.items())), dict(sorted(validation.items())))


def lines(path: Path) -> Iterator[tuple[str, Figures]]:
    """The kind and the figures of each line that has some."""
    for line in read_text(path):
        found = LINE.search(line)
        if found is None:
            continue
        kind, text = found.groups()
        try:
            pairs = json.loads(text).items() if text.startswith("{") else SIMPLE.findall(text)
            figures = {name.removeprefix(PREFIX): float(value) for name, value in pairs}
        except ValueError:
            continue  # a line that was cut off
        yield kind, figures
