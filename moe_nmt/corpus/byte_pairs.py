"""Subwords by byte pair encoding (Sennrich et al. 2016), learned and applied by subword-nmt.

subword-nmt wants tokenised text.  Here a token is a run of letters and digits or a run of other
characters, and carries the space before it as U+2581, so that the tokens joined are the sentence
again and no language's rules are needed.
"""

from __future__ import annotations

import io
import random
import re
from collections.abc import Iterable

from subword_nmt.apply_bpe import BPE
from subword_nmt.learn_bpe import learn_bpe

from moe_nmt.corpus.normalise import WORD_START

FIRST_LINE = b"#version"  # by which subword-nmt's files of merges are known
MOST_CACHED = 1_000_000  # tokens; subword-nmt remembers all it has seen
TOKEN = re.compile(rf"{WORD_START}?(?:\w+|[^\w{WORD_START}]+)")


def tokens(sentence: str) -> list[str]:
    """``Two men, one dog.`` -> ``_Two _men , _one _dog .`` with U+2581 for the underscore."""
    return TOKEN.findall(WORD_START + sentence.replace(" ", WORD_START)) if sentence else []


def learn_byte_pairs(sentences: Iterable[str], size: int) -> bytes:
    """Learns merges until about ``size`` subwords, single characters among them."""
    merges = io.StringIO()
    learn_bpe((" ".join(tokens(s)) for s in sentences), merges, size, total_symbols=True)
    if merges.getvalue().count("\n") < 2:
        raise SystemExit(
            f"moe_nmt: --vocabulary {size} is fewer than the characters of this text need"
        )
    return merges.getvalue().encode("utf-8")


class BytePairs:
    """Splits sentences with learned merges."""

    def __init__(self, merges: bytes, seed: int) -> None:
        self.bpe = BPE(io.StringIO(merges.decode("utf-8")), separator="")
        random.seed(seed)  # subword-nmt draws from the global generator

    def best(self, sentence: str) -> list[str]:
        """The segmentation after all merges."""
        return self.segment(sentence, dropout=0.0)

    def sampled(self, sentence: str, alpha: float) -> list[str]:
        """A segmentation in which each merge was left out with probability alpha (BPE dropout)."""
        pieces = self.segment(sentence, alpha)
        self.bpe.cache.clear()  # else best() would find the sampled words there
        return pieces

    def segment(self, sentence: str, dropout: float) -> list[str]:
        """The subwords of all tokens."""
        if len(self.bpe.cache) > MOST_CACHED:
            self.bpe.cache.clear()
        pieces: list[str] = self.bpe.segment_tokens(tokens(sentence), dropout)
        return pieces
