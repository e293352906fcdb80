"""What became of every corpus, as a table for people and as a manifest for programs."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from moe_nmt.corpus.cleaning.clean import FILTERS
from moe_nmt.files.stages import Facts, Stages, read_record
from moe_nmt.files.text import write_lines

CLEAN, BINARISED, HELD_OUT = "clean.", "binarised.", "held-out."


def write_report(path: Path, facts: Mapping[str, Facts]) -> None:
    """Writes the table: what each filter took from each corpus, and the sizes of the splits."""
    filters = filters_of(facts)
    rows = [["training", "pairs", *filters, "duplicate", "kept"]]
    for name, kept in facts["train"].items():
        counts = facts[f"{CLEAN}{name}"]
        taken = [counts[reason] for reason in filters]
        numbers = [counts["pairs"], *taken, counts["left"] - kept, kept]
        rows.append([name, *map(str, numbers)])
    sums = [sum(map(int, column)) for column in list(zip(*rows[1:], strict=True))[1:]]
    rows.append(["all", *map(str, sums)])
    lines = table(rows)
    sizes = [["binarised", "language", "sentences", "subwords", "unknown"]]
    for stage, counted in facts.items():
        if stage.startswith(BINARISED):
            for language, numbers in counted.items():
                sizes.append([stage.removeprefix(BINARISED), language, *map(str, numbers.values())])
    lines += ["", *table(sizes)]
    entities = [["held out", "entities", "bare ampersands"]]
    for stage, counted in facts.items():
        if stage.startswith(HELD_OUT):
            entities += [
                [file, *map(str, numbers.values())]
                for file, numbers in counted.items()
                if isinstance(numbers, Mapping)
            ]
    if len(entities) > 1:
        lines += ["", *table(entities)]
    write_lines(path, lines)
    print("\n".join(lines), flush=True)


def filters_of(facts: Mapping[str, Facts]) -> list[str]:
    """The filters that were at work."""
    cleaned = [counts for stage, counts in facts.items() if stage.startswith(CLEAN)]
    return [name for name in FILTERS if all(name in counts for counts in cleaned)]


def table(rows: list[list[str]]) -> list[str]:
    """Rows of words in columns: the first to the left, numbers to the right."""
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    return [
        "  ".join(
            cell.ljust(width) if index == 0 else cell.rjust(width)
            for index, (cell, width) in enumerate(zip(row, widths, strict=True))
        )
        for row in rows
    ]


def write_manifest(path: Path, stages: Stages, names: Mapping[str, Any]) -> None:
    """Writes what every stage read, was told, wrote and counted, without times."""
    kept = ("recipe", "inputs", "outputs", "facts")
    records = {name: read_record(stages.state / f"{name}.json") for name in names}
    manifest = {name: {key: record[key] for key in kept} for name, record in records.items()}
    write_lines(path, [json.dumps(manifest, indent=1)])
