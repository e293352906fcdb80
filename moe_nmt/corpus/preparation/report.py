"""What became of every corpus, as a table for people and as a manifest for programs."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

from moe_nmt.corpus.cleaning.clean import FILTERS
from moe_nmt.corpus.preparation.losses import DUPLICATE
from moe_nmt.corpus.preparation.preparation import BINARISED, CLEAN, HELD_OUT, Preparation
from moe_nmt.errors import UserError
from moe_nmt.files.stages import Facts, Stages, read_record
from moe_nmt.files.tables import table
from moe_nmt.files.text import write_lines

REPORT = "report.txt"


@contextmanager
def reported(work: Preparation) -> Iterator[None]:
    """Writes and prints the report when the work ends, whichever way."""
    try:
        yield
    except BaseException as stop:
        why = str(stop) if isinstance(stop, Exception) else "interrupted"
        with suppress(UserError):  # on a full disk, say: the stop itself is what is to be told
            write_report(work, f"stopped before the end: {why}")
        raise
    write_report(work)


def write_report(work: Preparation, stop: str | None = None) -> None:
    """Writes what each filter took from each corpus, the sizes of the splits, and the warnings."""
    parts = [
        stop,
        training_table(work.facts, work.settings.unit),
        sizes_table(work.facts),
        entities_table(work.facts),
        "\n".join(f"warning: {warning}" for warning in work.warnings),
    ]
    report = "\n\n".join(filter(None, parts))
    print(report, flush=True)
    write_lines(work.folder / REPORT, [report])


def training_table(facts: Mapping[str, Facts], unit: str) -> str | None:
    """What each filter took from each corpus; of a run that was stopped, as far as it is known."""
    filters = filters_of(facts)
    kept: Facts = facts.get("train", {})
    corpora: list[list[Any]] = []
    for stage, counts in facts.items():
        if stage.startswith(CLEAN):
            name = stage.removeprefix(CLEAN)
            end = [counts["left"] - kept[name], kept[name]] if name in kept else []
            taken = [counts[reason] for reason in filters]
            corpora.append([name, counts["pairs"], *taken, *end])
    if not corpora:
        return None
    sums = [sum(column) for column in [*zip(*corpora, strict=True)][1:]]
    head = ["training", unit, *filters, *([DUPLICATE, "kept"] if kept else [])]
    return table([head, *corpora, ["all", *sums]])


def sizes_table(facts: Mapping[str, Facts]) -> str | None:
    """The sizes of the splits."""
    sizes: list[Sequence[Any]] = [
        (stage.removeprefix(BINARISED), language, *numbers.values())
        for stage, counted in facts.items()
        if stage.startswith(BINARISED)
        for language, numbers in counted.items()
    ]
    head = ["binarised", "language", "sentences", "subwords", "unknown"]
    return table([head, *sizes], "llr") if sizes else None


def entities_table(facts: Mapping[str, Facts]) -> str | None:
    """How many ampersands of sets with markup stand for themselves."""
    entities: list[Sequence[Any]] = [
        (file, *numbers.values())
        for stage, counted in facts.items()
        if stage.startswith(HELD_OUT)
        for file, numbers in counted.items()
        if isinstance(numbers, Mapping)
    ]
    return table([["held out", "entities", "bare ampersands"], *entities]) if entities else None


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
