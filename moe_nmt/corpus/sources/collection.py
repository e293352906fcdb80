"""What belongs together in a shared task: training corpora, dev sets, test sets, by their names."""

from __future__ import annotations

from dataclasses import dataclass

from moe_nmt.corpus.sources.description import description
from moe_nmt.files.resources import DESCRIPTIONS, resources


@dataclass(frozen=True)
class Collection:
    """Names that ``registry.find_corpus`` knows."""

    corpora: list[str]
    valid_sets: list[str]
    test_sets: list[str]


def read_collection(name: str) -> dict[str, Collection]:
    """Reads a collection that travels with the package, wmt14: en-fr -> ..., fr-en -> ..., ..."""
    path = resources(DESCRIPTIONS) / f"{name}.yaml"
    with description(path, "pairs, each with corpora, valid_sets and test_sets") as data:
        found = {pair: Collection(**names) for pair, names in data["pairs"].items()}
        swapped = {"-".join(reversed(pair.split("-"))): names for pair, names in found.items()}
        return found | swapped
