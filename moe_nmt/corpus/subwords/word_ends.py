"""Which subwords count as words: for a perplexity per word, which vocabularies have in common."""

from __future__ import annotations

from collections.abc import Sequence

from moe_nmt.corpus.cleaning.normalise import WORD_START
from moe_nmt.corpus.subwords.byte_pairs import CONTINUED


def word_ends(entries: Sequence[str]) -> list[bool] | None:
    """Whether each entry of a vocabulary counts as a word; None: the entries are words themselves.

    Of subwords of tokens the last one of a word counts, of those of sentences the first one.
    """
    if any(entry.endswith(CONTINUED) for entry in entries):
        return [not entry.endswith(CONTINUED) for entry in entries]
    if any(entry.startswith(WORD_START) for entry in entries):
        return [entry.startswith(WORD_START) for entry in entries]
    return None
