"""The kinds of entries that a dictionary can have, and the words that they make.

Subwords are of sentences (U+2581 stands for the space), of the tokens that Moses' tokenizer makes
(@@ ends one that its token goes on after), or there are none and a model reads words.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Protocol

from moe_nmt.corpus.cleaning.normalise import WORD_START
from moe_nmt.corpus.subwords.byte_pairs import CONTINUED
from moe_nmt.corpus.subwords.subword import undo, undo_of_tokens

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


def kind_of(entries: Iterable[str]) -> str:
    """Which of ``KINDS`` the entries of a dictionary are, known by the marks of subwords."""
    entries = list(entries)
    if any(WORD_START in entry for entry in entries):
        return OF_SENTENCES
    if any(entry.endswith(CONTINUED) for entry in entries):
        return OF_TOKENS
    return WORDS
