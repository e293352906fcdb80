"""The report of the experts as text, TSV and JSON."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict
from typing import Any

from moe_nmt.files.tables import table
from moe_nmt.insight.expert_report import Expert, Mixture


def as_text(mixtures: Sequence[Mixture]) -> str:
    """To read in a terminal, the busiest experts of each mixture first."""
    lines: list[str] = []
    for mixture in mixtures:
        lines += [
            f"{mixture.name}: {len(mixture.experts)} experts, {mixture.unused} never used, "
            f"{mixture.tokens} tokens, entropy of the choice {mixture.entropy:.2f} bits",
            "",
        ]
        if mixture.groups:
            shares = " ".join(f"{share:.1%}" for share in mixture.groups)
            lines += [f"  shares of the groups: {shares}", ""]
        for expert in sorted(mixture.experts, key=lambda expert: -expert.share):
            if expert.share:
                lines += [*of_expert(expert), ""]
    return "\n".join(lines).rstrip()


def of_expert(expert: Expert) -> list[str]:
    """One expert's lines."""
    group = "" if expert.group is None else f" of group {expert.group}"
    lines = [
        f"  expert {expert.number}{group}: {expert.share:.2%} of the tokens, mean gate "
        f"{expert.gate:.3f}, entropy {expert.entropy:.2f} bits"
    ]
    for what, values in (
        ("reads", expert.read),
        ("predicts", expert.predicted),
        ("positions", expert.positions),
    ):
        if values:
            lines.append(f"    {what}: " + ", ".join(f"{v.value} ({v.count})" for v in values))
    if expert.contexts:
        rows = [[f"{context.gate:.3f}", str(context)] for context in expert.contexts]
        lines += ["    " + line for line in table(rows, "rl").splitlines()]
    return lines


TSV_HEAD = (
    *("mixture", "expert", "group", "share", "gate", "entropy"),
    *("read", "predicted", "positions", "contexts"),
)


def as_tsv(mixtures: Sequence[Mixture]) -> list[str]:
    """A line for each expert; what there are several of stands between |."""
    lines = ["\t".join(TSV_HEAD)]
    for mixture in mixtures:
        for expert in mixture.experts:
            several = (
                [value.value for value in expert.read],
                [value.value for value in expert.predicted],
                [value.value for value in expert.positions],
                [str(context) for context in expert.contexts],
            )
            group = "" if expert.group is None else str(expert.group)
            figures = (f"{x:.6g}" for x in (expert.share, expert.gate, expert.entropy))
            cells = [mixture.name, str(expert.number), group, *figures]
            lines.append("\t".join([*cells, *(" | ".join(values) for values in several)]))
    return lines


def as_json(mixtures: Sequence[Mixture]) -> list[dict[str, Any]]:
    """All of it."""
    return [asdict(mixture) for mixture in mixtures]
