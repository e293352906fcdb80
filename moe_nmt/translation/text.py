"""What lies between raw text and the subwords of a dictionary, at both ends of a model.

Subwords are of sentences (U+2581 stands for the space), of the tokens that Moses' tokenizer makes
(@@ ends one that its token goes on after), or there are none and a model reads words.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

from moe_nmt.corpus.cleaning.normalise import WORD_START, normalise
from moe_nmt.corpus.subwords.byte_pairs import CONTINUED
from moe_nmt.corpus.subwords.moses import Moses
from moe_nmt.corpus.subwords.subword import Segmenter, undo, undo_of_tokens

OF_SENTENCES, OF_TOKENS, WORDS = "of sentences", "of tokens", "words"


class Pieces(Protocol):
    """A kind of subwords."""

    def words(self, pieces: Sequence[str]) -> list[str]:
        """What stands between spaces where the pieces are joined."""

    def word_of_each(self, pieces: Sequence[str]) -> list[int]:
        """The number of the word that a piece belongs to, of each piece."""


class OfSentences:
    """``_Zwei _Män ner .`` with U+2581 for the underscore: ``Zwei Männer.``"""

    def words(self, pieces: Sequence[str]) -> list[str]:
        """Joined, and split at spaces."""
        return undo(" ".join(pieces)).split()

    def word_of_each(self, pieces: Sequence[str]) -> list[int]:
        """By the marks."""
        numbers: list[int] = []
        count, begins = 0, True
        for piece in pieces:
            begins |= piece.startswith(WORD_START)
            if piece.strip(WORD_START):
                count += begins
                begins = False
            numbers.append(count if begins else count - 1)  # a lone space is of the next word
        return [min(number, count - 1) for number in numbers]


class OfTokens:
    """``Zwei Män@@ ner .``: ``Zwei Männer .``"""

    def words(self, pieces: Sequence[str]) -> list[str]:
        """Joined, and split at spaces."""
        return undo_of_tokens(" ".join(pieces)).split()

    def word_of_each(self, pieces: Sequence[str]) -> list[int]:
        """By the marks."""
        numbers: list[int] = []
        number, last = 0, len(self.words(pieces)) - 1
        for piece in pieces:
            numbers.append(min(number, last))
            number += not piece.endswith(CONTINUED)
        return numbers


class Words:
    """``Zwei Männer .`` as it is."""

    def words(self, pieces: Sequence[str]) -> list[str]:
        """Themselves."""
        return list(pieces)

    def word_of_each(self, pieces: Sequence[str]) -> list[int]:
        """One after the other."""
        return list(range(len(pieces)))


KINDS: dict[str, Pieces] = {
    OF_SENTENCES: OfSentences(),
    OF_TOKENS: OfTokens(),
    WORDS: Words(),
}


@dataclass(frozen=True)
class SourceText:
    """Makes pieces of raw text."""

    pieces: Pieces
    segmenter: Segmenter | None  # None: words
    moses: Moses | None  # None: the text has its tokens between spaces, or is of sentences

    def read(self, text: str) -> list[str]:
        """The pieces of one sentence; of a blank one none."""
        sentence = normalise(text) if self.moses is None else self.moses.corpus_tokens(text)
        return sentence.split() if self.segmenter is None else self.segmenter.best(sentence)


@dataclass(frozen=True)
class TargetText:
    """Makes raw text of pieces."""

    pieces: Pieces
    moses: Moses | None

    def write(self, pieces: Sequence[str]) -> str:
        """One sentence, its words between single spaces."""
        words = " ".join(self.pieces.words(pieces))
        return words if self.moses is None else self.moses.detokenize(words)
