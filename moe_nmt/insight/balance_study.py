"""Table 6 again: what the balancing losses do to perplexity and balance (section 4, App. A)."""

from __future__ import annotations

import statistics
import sys
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, NamedTuple

from moe_nmt.files.command_stage import run_command
from moe_nmt.files.tables import markdown
from moe_nmt.insight.balance_report import expert_use
from moe_nmt.insight.held_out import Batches, perplexity
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
        return Path(self.name) / "checkpoint_last.pt"

    def run(self, data: Path, arch: str, updates: int) -> None:
        """Trains a model with noisy top-k gates on a folder made by fairseq-preprocess.

        It does so in the current folder, unless that is done.
        """
        program = str(Path(sys.executable).with_name("fairseq-train"))
        command = [
            *(program, str(data), "--user-dir", "moe_nmt"),
            *("--task", "expert_parallel_translation", "--arch", arch, "--gate", "noisy-top-k"),
            *("--criterion", "balanced_cross_entropy", "--label-smoothing", "0.1"),
            *("--importance-weight", str(self.setting.importance)),
            *("--load-weight", str(self.setting.load), "--seed", str(self.seed)),
            *("--optimizer", "fused_adam", "--lr", "0.004", "--clip-norm", "1.0"),
            *("--lr-scheduler", "polynomial_decay", "--warmup-updates", str(updates // 5)),
            *("--total-num-update", str(updates), "--max-update", str(updates)),
            *("--max-tokens", "2000", "--num-workers", "0", "--disable-validation"),
            *("--log-format", "simple", "--log-interval", "100"),
            *("--no-epoch-checkpoints", "--save-dir", self.name),
        ]
        inputs = [str(path) for path in sorted(data.iterdir()) if path.suffix in (".bin", ".idx")]
        inputs += [str(path) for path in sorted(data.glob("dict.*.txt"))]
        run_command(self.name, command, inputs, [self.checkpoint], is_resumable=True)


@dataclass(frozen=True)
class Measurement:
    """What one trained model does on held-out sentences."""

    perplexity: float
    balance: dict[str, tuple[float, ...]]  # the FIGURES of each mixture by name


def measure(model: Any, batches: Batches, seed: int) -> tuple[Measurement, Measurement]:
    """Perplexity, always without noise, and balance without and with the gates' noise."""
    of_translation = perplexity(model, batches)
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


def mean_and_deviation(values: Sequence[float]) -> str:
    """Such as 35.62 ± 0.11; the mean alone of a single value."""
    mean = f"{statistics.mean(values):.2f}"
    return f"{mean} ± {statistics.stdev(values):.2f}" if len(values) > 1 else mean


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
