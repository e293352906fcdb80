"""``preparation.json``: what a prepared folder is, in one place for the commands that come after.

A model that is trained on the folder translates raw text by what stands here: the subword model,
the tokenisation, the dictionaries.  Paths are relative to the folder.
"""

from __future__ import annotations

import json
import platform
from collections.abc import Mapping, Sequence
from typing import Any

from moe_nmt.corpus.cleaning.languages import PACKAGE as LANGUAGE_TOOL
from moe_nmt.corpus.preparation.preparation import SUBWORD_TOOLS, Preparation, Text, tools
from moe_nmt.corpus.sources.registry import Corpus
from moe_nmt.corpus.subwords.moses import PACKAGE as TOKENIZER
from moe_nmt.files.stages import read_record
from moe_nmt.files.text import write_lines

NAME = "preparation.json"
FORMAT = 1
SIDES = "source", "target"  # text for a language model has a source alone


def write_result(work: Preparation) -> None:
    """Writes the file; all stages are done."""
    settings = work.settings
    dictionaries = dictionaries_of(work)
    is_joined = len({dictionary["sha256"] for dictionary in dictionaries.values()}) == 1
    facts = work.facts
    result = {
        "format": FORMAT,
        "languages": dict(zip(SIDES, settings.languages, strict=False)),
        "subwords": subwords_of(work) if work.has_subwords else None,
        "tokenisation": {"tool": "moses", "splits_hyphens": True} if work.moses else None,
        "normalisation": {"form": "NFC", "spaces": "single", "control_characters": "removed"},
        "dictionaries": {"joined": is_joined, **dictionaries},
        "training": {
            "pairs": sum(facts["train"].values()),
            "corpora": [
                {
                    "name": text.name,
                    "pairs": facts["train"][text.name],
                    "pairs_before_cleaning": facts[f"clean.{text.name}"]["pairs"],
                    **rights(text),
                }
                for text in settings.train
            ],
        },
        "held_out": held_out(settings.held_out, facts),
        "versions": {"python": platform.python_version(), **tools(*packages(work))},
        "command": settings.command,
    }
    write_lines(work.folder / NAME, [json.dumps(result, indent=1, ensure_ascii=False)])


def subwords_of(work: Preparation) -> dict[str, Any]:
    """The subword model and where it comes from."""
    return {
        "method": work.settings.method,
        **file_of(work, "subwords", "subword.model"),
        "reused": work.settings.reused is not None,
        "symbols": list(work.settings.symbols),
    }


def file_of(work: Preparation, stage: str, name: str) -> dict[str, str]:
    """A file that a stage wrote, with its hash."""
    outputs = read_record(work.stages.state / f"{stage}.json")["outputs"]
    return {"file": name, "sha256": outputs[name]}


def dictionaries_of(work: Preparation) -> dict[str, dict[str, Any]]:
    """The dictionary of each side."""
    return {
        side: file_of(work, "dictionary", name)
        for side, name in zip(SIDES, work.dictionaries(), strict=False)
    }


def held_out(
    sets: Mapping[str, Sequence[Text]], facts: Mapping[str, Mapping[str, Any]]
) -> dict[str, Any]:
    """The dev and test sets: which texts, and how many lines."""
    return {
        split: {
            "lines": facts[f"held-out.{split}"]["lines"],
            "texts": [{"name": text.name, **rights(text)} for text in texts],
        }
        for split, texts in sets.items()
    }


def rights(text: Text) -> dict[str, Any]:
    """Licence and citations, as far as they are known; a user's own text has none here."""
    if isinstance(text, Corpus):
        return {"licence": text.licence, "citations": list(text.citations)}
    return {"licence": None, "citations": []}


def packages(work: Preparation) -> list[str]:
    """What was at work besides this package."""
    found = [SUBWORD_TOOLS[work.settings.method]] if work.has_subwords else []
    if work.moses:
        found.append(TOKENIZER)
    if work.languages is not None:
        found.append(LANGUAGE_TOOL)
    return found
