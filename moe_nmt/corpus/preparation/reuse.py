"""Subwords and dictionaries that exist already: a model's, which is to be trained further."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from moe_nmt.corpus.subwords.byte_pairs import BytePairs
from moe_nmt.corpus.subwords.subword import load
from moe_nmt.errors import UserError


@dataclass(frozen=True)
class Reused:
    """What is taken as it is.

    Args:
        model: of the subwords.
        dictionaries: of each language; None: made of the new text.
        extends: whether subwords that the dictionaries lack are added at their ends.
    """

    model: Path
    dictionaries: tuple[Path, ...] | None
    extends: bool


def method_of(model: Path, asked: str | None) -> str:
    """The method of an existing model of subwords; stops where another one was asked for."""
    segmenter = load(model)
    if not isinstance(segmenter, BytePairs):
        method = "sentencepiece"
    elif segmenter.is_of_sentences:
        method = "bpe"
    else:
        method = "moses-bpe"
    if asked not in (None, method):
        raise UserError(f"--subword-model {model} is of --subword {method}, not {asked}")
    return method


def find_dictionaries(folder: Path, languages: tuple[str, str]) -> tuple[Path, Path]:
    """Both languages' dictionaries in a folder that fairseq-train read, or in one above it."""
    for place in (folder, folder / "binarised"):
        source, target = (place / f"dict.{language}.txt" for language in languages)
        if source.is_file() and target.is_file():
            return source, target
    raise UserError(
        f"--dictionaries {folder} has no dict.{languages[0]}.txt and dict.{languages[1]}.txt: "
        "name the folder that fairseq-train read"
    )
