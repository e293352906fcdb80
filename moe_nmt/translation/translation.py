"""What a translation is to the caller."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from moe_nmt.corpus.subwords.pieces import Pieces
from moe_nmt.translation.answer import Answer
from moe_nmt.translation.long_lines import join


@dataclass(frozen=True)
class Hypothesis:
    """One way to translate a sentence.

    Args:
        text: raw.
        score: log P over the length penalty, plus the coverage penalty; the greater, the better.
        words: of the translation, as they stand between spaces before any detokenisation.
        pieces: the target's subwords.
        attention: [pieces + 1, source pieces + 1], the ends of sentence last.
        alignment: pairs of a source word's and a target word's number, from 0, by target word.
    """

    text: str
    score: float
    words: list[str]
    pieces: list[str]
    attention: Tensor
    alignment: list[tuple[int, int]]


@dataclass(frozen=True)
class Translation(Answer):
    """A source text and its translations, the best first."""

    source: str
    source_words: list[str]
    source_pieces: list[str]
    hypotheses: list[Hypothesis]

    @property
    def alignment(self) -> list[tuple[int, int]]:
        """That of the best translation."""
        return self.hypotheses[0].alignment

    def as_json(self) -> dict[str, Any]:
        """See ``Answer``."""
        return {
            "source": self.source,
            "source_words": self.source_words,
            "hypotheses": [
                {"text": h.text, "score": h.score, "words": h.words, "alignment": h.alignment}
                for h in self.hypotheses
            ],
        }


def blank(source: str) -> Translation:
    """Of a line without words."""
    nothing = Hypothesis("", 0.0, [], [], torch.ones(1, 1), [])
    return Translation(source, [], [], [nothing])


def joined(source: str, parts: Sequence[Translation]) -> Translation:
    """The translation of a line that was cut; the n-th best of its parts make its n-th best.

    Its score is the sum of theirs.
    """
    if len(parts) == 1:
        return parts[0]
    best = max(len(part.hypotheses) for part in parts)
    starts = [0]
    for part in parts:
        starts.append(starts[-1] + len(part.source_words))
    return Translation(
        source,
        [word for part in parts for word in part.source_words],
        [piece for part in parts for piece in part.source_pieces],
        [
            joined_hypotheses([part.hypotheses[: n + 1][-1] for part in parts], starts)
            for n in range(best)
        ],
    )


def joined_hypotheses(parts: Sequence[Hypothesis], starts: Sequence[int]) -> Hypothesis:
    """One of several; ``starts`` are the numbers of the first source words of each."""
    alignment: list[tuple[int, int]] = []
    words: list[str] = []
    for part, start in zip(parts, starts, strict=False):
        alignment += [(start + source, len(words) + target) for source, target in part.alignment]
        words += part.words
    return Hypothesis(
        join([part.text for part in parts]),
        sum(part.score for part in parts),
        words,
        [piece for part in parts for piece in part.pieces],
        joined_attention([part.attention for part in parts]),
        alignment,
    )


def joined_attention(parts: Sequence[Tensor]) -> Tensor:
    """Block by block, with the last part's ends of sentence alone: [target + 1, source + 1]."""
    *first, last = parts
    return torch.block_diag(*(part[:-1, :-1] for part in first), last)


def word_alignment(
    attention: Tensor,
    source: Pieces,
    source_pieces: Sequence[str],
    target: Pieces,
    pieces: Sequence[str],
) -> list[tuple[int, int]]:
    """The source word that each target word attends to most, summed over the pieces of both.

    Args:
        attention: [pieces + 1, source pieces + 1], the ends of sentence last.
        source: how the source's pieces make words.
        source_pieces: they.
        target: how the translation's do.
        pieces: they.
    """
    rows = torch.tensor(target.word_of_each(pieces), dtype=torch.long)
    columns = torch.tensor(source.word_of_each(source_pieces), dtype=torch.long)
    words, source_words = len(target.words(pieces)), len(source.words(source_pieces))
    if not words or not source_words:
        return []
    of_pieces = attention[: len(pieces), : len(source_pieces)]
    by_row = of_pieces.new_zeros(words, len(source_pieces)).index_add(0, rows, of_pieces)
    by_word = by_row.new_zeros(words, source_words).index_add(1, columns, by_row)
    return [(int(best), number) for number, best in enumerate(by_word.argmax(1))]
