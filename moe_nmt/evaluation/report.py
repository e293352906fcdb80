"""The scores of all systems: one table to read, one JSON object to keep."""

from __future__ import annotations

import statistics
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any

from moe_nmt.evaluation.significance import Comparison, Significance
from moe_nmt.files.tables import table


@dataclass(frozen=True)
class Row:
    """A measure's figures of one system, one for each run."""

    system: str
    measure: str
    signature: str
    values: Sequence[float]
    lines: Sequence[str] = ()  # of multi-bleu

    @property
    def mean(self) -> float:
        """Over the runs."""
        return statistics.fmean(self.values)

    @property
    def deviation(self) -> float | None:
        """The standard deviation of the runs (over n - 1), if there are several."""
        return statistics.stdev(self.values) if len(self.values) > 1 else None

    def __str__(self) -> str:
        """The mean, and the deviation if there is one."""
        if self.deviation is None:
            return f"{self.mean:.2f}"
        return f"{self.mean:.2f} ± {self.deviation:.2f} ({len(self.values)})"


@dataclass(frozen=True)
class Report:
    """Everything that was computed, and the references' number of sentences and files."""

    rows: Sequence[Row]
    significance: Significance | None
    sentences: int
    references: Sequence[str]

    def __str__(self) -> str:
        """What the command prints."""
        systems = [*dict.fromkeys(row.system for row in self.rows)]
        measures = [*dict.fromkeys(row.measure for row in self.rows)]
        cells = {(row.system, row.measure): str(row) for row in self.rows}
        scores = [["", *systems]]
        scores += [
            [name, *(cells.get((system, name), "-") for system in systems)] for name in measures
        ]
        parts = [table(scores)]
        if any(row.deviation is not None for row in self.rows):
            parts.append("(mean ± standard deviation, number of runs)")
        parts += ["", table(dict.fromkeys((row.measure, row.signature) for row in self.rows), "l")]
        lines = [(row.system, row.measure, line) for row in self.rows for line in row.lines if line]
        if lines:
            parts += ["", table(lines, "l")]
        if self.significance is not None:
            parts += ["", f"against the baseline, {systems[0]} (* p < 0.05):"]
            parts.append(table([HEAD, *map(columns, self.significance.comparisons)], SIDES))
            parts += self.significance.signatures
        return "\n".join(parts)

    def as_json(self) -> dict[str, Any]:
        """The same as plain values."""
        return {
            "references": list(self.references),
            "sentences": self.sentences,
            "scores": [
                {**asdict(row), "mean": row.mean, "standard_deviation": row.deviation}
                for row in self.rows
            ],
            "significance": None if self.significance is None else asdict(self.significance),
        }


HEAD = ("", "", "score", "mean ± 95%", "differing", "p (bootstrap)", "p (randomisation)")
SIDES = "llrrrl"  # a star follows some p


def columns(comparison: Comparison) -> tuple[str, ...]:
    """A line of the table of comparisons."""

    def p(value: float | None) -> str:
        return "-" if value is None else f"{value:.4f}{'*' if value < 0.05 else ''}"

    return (
        comparison.system,
        comparison.metric,
        f"{comparison.score:.2f}",
        f"{comparison.mean:.2f} ± {comparison.interval:.2f}",
        str(comparison.differing) if comparison.differing else "-",
        p(comparison.p_bootstrap),
        p(comparison.p_randomisation),
    )
