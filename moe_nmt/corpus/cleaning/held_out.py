"""Dev and test sets: as published, to score against; normalised, to translate; never trained on."""

from __future__ import annotations

import html
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

from moe_nmt.corpus.cleaning.normalise import normalise
from moe_nmt.corpus.sources.sgm import is_test_set, read_segments
from moe_nmt.errors import UserError
from moe_nmt.files.text import read_text, stop_unless_same, write_lines

Sides = tuple[Path, ...]  # source and target; of text in one language, one file


def write_held_out(texts: Sequence[Sides], published: Sides, normalised: Sides) -> dict[str, Any]:
    """Writes sets one after another: line by line as published, and normalised.

    No line is left out: those of a set are counted upon.  Returns the numbers of lines, of
    pairs with an empty side, entities and ampersands that stand for themselves.
    """
    lines: list[list[str]] = [[] for _ in published]
    plain: list[list[str]] = [[] for _ in published]
    facts: dict[str, Any] = {}
    for text in texts:
        counts = []
        for side, path in enumerate(text):
            if is_test_set(path):
                segments = read_segments(path)
                found = segments.sentences
                ampersands = (segments.entities, segments.bare_ampersands)
                facts[path.name] = dict(
                    zip(("entities", "bare ampersands"), ampersands, strict=True)
                )
                plain[side] += map(html.unescape, found) if segments.is_escaped else found
            else:
                found = list(read_text(path))
                plain[side] += found
            if not any(map(str.strip, found)):
                raise UserError(f"{path} has no text: a dev or test set needs sentences")
            lines[side] += found
            counts.append(len(found))
        stop_unless_same(text, counts, "they are no translation of each other; get both again")
    clean = [[*map(normalise, side)] for side in plain]
    for side, output in enumerate(published):
        write_lines(output, lines[side])
        write_lines(normalised[side], clean[side])
    empty = sum(not all(pair) for pair in zip(*clean, strict=True))
    return {"lines": len(lines[0]), "empty": empty, **facts}


def letters(sentence: str) -> str:
    """What is compared with held-out sentences: letters and digits, without case.

    Copies on the web often differ in quotation marks or spaces only.
    """
    return "".join(filter(str.isalnum, sentence.casefold()))


def held_out_sentences(paths: Iterable[Path]) -> frozenset[str]:
    """The sentences of one language that training must not see, as ``letters``."""
    return frozenset(letters(line) for path in paths for line in read_text(path)) - {""}
