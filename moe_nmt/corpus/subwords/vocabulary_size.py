"""How many subwords a text gets where nobody says: the one home of that default.

Small texts want small vocabularies: of rare subwords a model sees too few examples to learn them
(Ding et al. 2019, arXiv 1905.10453; Gowda & May 2020, arXiv 2004.02334).
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from itertools import islice
from pathlib import Path

from moe_nmt.errors import UserError
from moe_nmt.files.text import read_text

PAPERS = 32_000  # Shazeer et al. 2017, for WMT'14
# The sentences, from so many on, and the subwords of both languages together.
BY_SENTENCES = ((2_000_000, PAPERS), (200_000, 16_000), (20_000, 8_000), (5_000, 4_000), (0, 2_000))
LOOKED_AT = 50_000  # lines of a file, for its characters
PER_CHARACTER = 3  # subwords, at least: scripts with thousands of characters need more


class VocabularyError(UserError):
    """A text has fewer subwords than the ``size`` that was asked for: at most ``most``."""

    def __init__(self, size: int, most: int) -> None:
        super().__init__(size, most)
        self.size, self.most = size, most

    def __str__(self) -> str:
        return f"--vocabulary {self.size} is too many for this text: at most {self.most}"


def default_vocabulary(texts: Sequence[Path], sentences: int, coverage: float) -> int:
    """How many subwords to learn of texts that have so many sentences in each language.

    Args:
        texts: of all languages, UTF-8.
        sentences: of the longest text.
        coverage: the share of the characters that subwords must hold.
    """
    size = next(size for least, size in BY_SENTENCES if sentences >= least)
    return max(size, PER_CHARACTER * alphabet(texts, coverage))


def alphabet(texts: Sequence[Path], coverage: float) -> int:
    """How many different characters make up that share of the texts' first lines."""
    counts: Counter[str] = Counter()
    for path in texts:
        for line in islice(read_text(path), LOOKED_AT):
            counts.update(line)
    needed, covered, found = coverage * counts.total(), 0, 0
    for _, count in counts.most_common():
        if covered >= needed:
            break
        covered += count
        found += 1
    return found
