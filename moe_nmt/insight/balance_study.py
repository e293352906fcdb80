"""Table 6 again: what the balancing losses do to perplexity and balance (section 4, App. A)."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, NamedTuple

from moe_nmt.files.tables import markdown, mean_and_deviation
from moe_nmt.insight.balance_report import expert_use
from moe_nmt.insight.held_out import Batches, losses
from moe_nmt.insight.training_run import CHECKPOINT, Schedule, train
from moe_nmt.moe.balance import balance_figures

FIGURES = ("CV(Importance)", "CV(Load)", "max/mean load")


class Setting(NamedTuple):
    """The weights of the two losses, w_importance and w_load."""

    importance: float
    load: float


# The rows of Table 6.
SETTINGS = (
    Setting(0.0, 0.0),
    Setting(0.2, 0.0),
    Setting(0.0, 0.2),
    Setting(0.01, 0.01),
    Setting(0.1, 0.1),
    Setting(1.0, 1.0),
)


@dataclass(frozen=True)
class Training:
    """One run of the study."""

    setting: Setting
    seed: int

    @property
    def name(self) -> str:
        """Of its stage and its folder."""
        return f"importance{self.setting.importance}-load{self.setting.load}-seed{self.seed}"

    @property
    def checkpoint(self) -> Path:
        """The model after the last update."""
        return Path(self.name) / CHECKPOINT

    def run(self, data: Path, arch: str, updates: int) -> None:
        """Trains a model with noisy top-k gates on a folder made by fairseq-preprocess.

        It does so in the current folder, unless that is done.
        """
        options = [
            *("--task", "expert_parallel_translation", "--arch", arch, "--gate", "noisy-top-k"),
            *("--criterion", "balanced_cross_entropy", "--label-smoothing", "0.1"),
            *("--importance-weight", str(self.setting.importance)),
            *("--load-weight", str(self.setting.load)),
        ]
        train(Path(self.name), data, options, Schedule(updates, tokens=2000, lr=0.004), self.seed)


@dataclass(frozen=True)
class Measurement:
    """What one trained model does on held-out sentences."""

    perplexity: float
    balance: dict[str, tuple[float, ...]]  # the FIGURES of each mixture by name


def measure(model: Any, batches: Batches, seed: int) -> tuple[Measurement, Measurement]:
    """Perplexity, always without noise, and balance without and with the gates' noise."""
    of_translation = losses(model, batches).perplexity()
    measurements = []
    for noise in (False, True):
        use = expert_use(model, batches, seed if noise else None)
        balance = {name: balance_figures(*sums) for name, sums in use.items()}
        values = {
            name: tuple(float(value) for value in vars(figures).values())
            for name, figures in balance.items()
        }
        measurements.append(Measurement(of_translation, values))
    return measurements[0], measurements[1]


def tables(results: Mapping[Training, Measurement]) -> str:
    """A Markdown table for each mixture: mean and standard deviation over the seeds."""
    mixtures = next(iter(results.values())).balance
    seeds = {training.seed for training in results}
    settings = list(dict.fromkeys(training.setting for training in results))
    parts = []
    for mixture in mixtures:
        rows: list[tuple[str, ...]] = [("w_importance", "w_load", "perplexity", *FIGURES)]
        for setting in settings:
            mine = [result for training, result in results.items() if training.setting == setting]
            columns = [[result.perplexity for result in mine]]
            columns += [list(c) for c in zip(*(r.balance[mixture] for r in mine), strict=True)]
            rows.append((*map(str, setting), *map(mean_and_deviation, columns)))
        parts.append(f"{mixture}, {len(seeds)} seeds:\n\n{markdown(rows, 'r')}")
    return "\n\n".join(parts)


def records(results: Mapping[Training, Measurement]) -> list[dict[str, Any]]:
    """The same for --json, run by run."""
    return [
        {
            "importance_weight": training.setting.importance,
            "load_weight": training.setting.load,
            "seed": training.seed,
            **asdict(measurement),
        }
        for training, measurement in results.items()
    ]
