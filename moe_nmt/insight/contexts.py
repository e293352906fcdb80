"""Tokens in their sentences, subwords joined to words, as in Table 9."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from fairseq.data import Dictionary
from torch import Tensor

from moe_nmt.corpus.subwords.pieces import KINDS, Pieces, kind_of
from moe_nmt.insight.preferences import Best

BEGIN, END = "<s>", "</s>"
WORDS_AROUND = 6  # of a context, on either side


@dataclass(frozen=True)
class Context:
    """A token in its sentence, subwords joined.

    Args:
        gate: G(x)_i.
        sentence: its number in the data set, from 1.
        before: the words before it.
        word: the word read, of which a subword may be a part; <s> before the first of a decoder.
        after: the words after it, in a decoder the predicted one first.
    """

    gate: float
    sentence: int
    before: str
    word: str
    after: str

    def __str__(self) -> str:
        """On one line, the word in brackets."""
        return f"{self.before} [{self.word}] {self.after}".strip()


class Texts:
    """The sentences that contexts are cut from, and the words of a dictionary.

    Args:
        batches: that have them.
        dictionary: of the side that the mixture reads.
        name: of the mixture.
        best: whose sentences are kept.
    """

    def __init__(
        self, batches: Iterable[dict[str, Any]], dictionary: Dictionary, name: str, best: Best
    ) -> None:
        self.dictionary = dictionary
        self.is_decoder = not name.startswith("encoder")
        entries = dictionary.symbols[dictionary.nspecial :]
        self.kind: Pieces = KINDS[kind_of(entries)]
        wanted = set(best.place[:, 0].tolist())
        self.sentences: dict[int, list[str]] = {}
        for batch in batches:
            rows = batch["target"] if self.is_decoder else batch["net_input"]["src_tokens"]
            for number, row in zip(batch["id"].tolist(), rows, strict=True):
                if number in wanted:
                    self.sentences[number] = self.pieces(row)

    def pieces(self, row: Tensor) -> list[str]:
        """A sentence without padding and its end: [time] -> pieces."""
        special = (self.dictionary.pad(), self.dictionary.eos())
        return [self.dictionary[i] for i in row.tolist() if i not in special]

    def context(self, gate: float, number: int, position: int) -> Context:
        """The token at a position; what a decoder reads there is the word before."""
        pieces = self.sentences[number]
        words = self.kind.words(pieces)
        of_piece = self.kind.word_of_each(pieces)
        at = position - self.is_decoder
        if not 0 <= at < len(pieces):  # a decoder's beginning, a sentence's end
            word = BEGIN if at < 0 else END
            before, after = ([], words) if at < 0 else (words, [])
        else:
            middle = of_piece[at]
            word, before, after = words[middle], words[:middle], words[middle + 1 :]
        return Context(
            gate=round(gate, 4),
            sentence=number + 1,
            before=" ".join(before[-WORDS_AROUND:]),
            word=word,
            after=" ".join(after[:WORDS_AROUND]),
        )

    def word(self, number: int) -> str:
        """An entry of the dictionary as it stands there, and the ends of a sentence."""
        return str(self.dictionary[number])
