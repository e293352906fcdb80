"""What became of every corpus, as a table for people and as a manifest for programs."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from moe_nmt.corpus.cleaning.clean import FILTERS
from moe_nmt.files.stages import Facts, Stages, read_record
from moe_nmt.files.tables import table
from moe_nmt.files.text import write_lines

CLEAN, BINARISED, HELD_OUT = "clean.", "binarised.", "held-out."


def write_report(path: Path, facts: Mapping[str, Facts]) -> None:
    """Writes the table: what each filter took from each corpus, and the sizes of the splits."""
    filters = filters_of(facts)
    corpora: list[list[Any]] = []
    for name, kept in facts["train"].items():
        counts = facts[f"{CLEAN}{name}"]
        taken = [counts[reason] for reason in filters]
        corpora.append([name, counts["pairs"], *taken, counts["left"] - kept, kept])
    sums = [sum(column) for column in [*zip(*corpora, strict=True)][1:]]
    head = ["training", "pairs", *filters, "duplicate", "kept"]
    tables = [table([head, *corpora, ["all", *sums]])]
    sizes: list[list[Any]] = [["binarised", "language", "sentences", "subwords", "unknown"]]
    for stage, counted in facts.items():
        if stage.startswith(BINARISED):
            for language, numbers in counted.items():
                sizes.append([stage.removeprefix(BINARISED), language, *numbers.values()])
    tables.append(table(sizes, "llr"))
    entities: list[list[Any]] = [["held out", "entities", "bare ampersands"]]
    for stage, counted in facts.items():
        if stage.startswith(HELD_OUT):
            entities += [
                [file, *numbers.values()]
                for file, numbers in counted.items()
                if isinstance(numbers, Mapping)
            ]
    if len(entities) > 1:
        tables.append(table(entities))
    report = "\n\n".join(tables)
    write_lines(path, [report])
    print(report, flush=True)


def filters_of(facts: Mapping[str, Facts]) -> list[str]:
    """The filters that were at work."""
    cleaned = [counts for stage, counts in facts.items() if stage.startswith(CLEAN)]
    return [name for name in FILTERS if all(name in counts for counts in cleaned)]


def write_manifest(path: Path, stages: Stages, names: Mapping[str, Any]) -> None:
    """Writes what every stage read, was told, wrote and counted, without times."""
    kept = ("recipe", "inputs", "outputs", "facts")
    records = {name: read_record(stages.state / f"{name}.json") for name in names}
    manifest = {name: {key: record[key] for key in kept} for name, record in records.items()}
    write_lines(path, [json.dumps(manifest, indent=1)])
