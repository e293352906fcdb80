"""The tables of the capacity study, from the records of its runs."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from moe_nmt.files.tables import markdown, mean_and_deviation

SCORES = ("bleu", "chrf")
Record = Mapping[str, Any]  # of a run, as the study's --json writes it


def by_variant(records: Sequence[Record]) -> dict[str, list[Record]]:
    """The runs of each variant, one for each seed, in the order of their first."""
    found: dict[str, list[Record]] = {}
    for record in records:
        found.setdefault(record["variant"], []).append(record)
    return found


def tables(records: Sequence[Record]) -> str:
    """Markdown: the models, the domains, and what the experts' choice tells."""
    parts = [models(records), domains(records)]
    if any(record["test"]["mixtures"] for record in records):
        parts.append(information(records))
    return "\n\n".join(parts)


def models(records: Sequence[Record]) -> str:
    """Size, cost and quality of each variant; p is of a difference from the dense model in BLEU."""
    is_translation = "quality" in records[0]
    head = ["", "parameters (M)", "operations (M)", "seeds", "hours", "perplexity"]
    rows = [[*head, *(("BLEU", "chrF2", "p") if is_translation else ())]]
    for name, runs in by_variant(records).items():
        row = [
            *(name, f"{runs[0]['parameters'] / 1e6:.1f}", f"{runs[0]['operations'] / 1e6:.3f}"),
            str(len(runs)),
            mean_and_deviation([run["curve"][-1]["seconds"] / 3600 for run in runs]),
            mean_and_deviation([run["test"]["perplexity"] for run in runs]),
        ]
        if is_translation:
            row += [mean_and_deviation([run["quality"][key] for run in runs]) for key in SCORES]
            row.append(", ".join(f"{run['p']:.3f}" for run in runs if run["p"] is not None))
        rows.append(row)
    return markdown(rows)


def domains(records: Sequence[Record]) -> str:
    """Perplexity of each domain, and BLEU where there is one; a column for each variant."""
    names = list(records[0]["test"]["domains"])
    parts = [by_domain(records, names, lambda run, name: run["test"]["domains"][name])]
    if "quality" in records[0]:
        bleu = by_domain(records, names, lambda run, name: run["quality"]["domains"][name]["bleu"])
        parts.append(bleu)
    titles = ("Perplexity", "BLEU")
    return "\n\n".join(f"{title}:\n\n{part}" for title, part in zip(titles, parts, strict=False))


def by_domain(
    records: Sequence[Record], names: Sequence[str], figure: Callable[[Record, str], float]
) -> str:
    """A figure's table: a row for each domain."""
    variants = by_variant(records)
    rows = [["", *variants]]
    for name in names:
        rows.append(
            [name, *(mean_and_deviation([figure(r, name) for r in v]) for v in variants.values())]
        )
    return markdown(rows)


def information(records: Sequence[Record]) -> str:
    """Bits that a choice of expert tells about domain and word, and how many come by chance."""
    head = ("", "mixture", "CV(load)", "max/mean load", "domain", "by chance", "word", "by chance")
    rows: list[tuple[str, ...]] = [head]
    for name, runs in by_variant(records).items():
        for mixture in runs[0]["test"]["mixtures"]:
            figures = [run["test"]["mixtures"][mixture] for run in runs]
            balance = [[f[key] for f in figures] for key in ("load_cv", "max_over_mean_load")]
            bits = [
                [f["information"][label][key] for f in figures]
                for label in ("domain", "word")
                for key in ("bits", "shuffled")
            ]
            rows.append((name, mixture, *map(mean_and_deviation, [*balance, *bits])))
    return "Bits about domain and word in the choice of an expert:\n\n" + markdown(rows, "llr")
