"""Subwords by byte pair encoding (Sennrich et al. 2016), learned and applied by subword-nmt.

subword-nmt wants tokenised text.  Of sentences, a token is a run of letters and digits or a run of
other characters, and carries the space before it as U+2581, so that the tokens joined are the
sentence again and no language's rules are needed.  Text that a tokenizer has split, such as Moses',
is taken as it is, and its subwords are marked by @@, byte for byte as subword-nmt's commands do.
Merges know what they were learned of: those of sentences hold U+2581, from their first line on.
"""

from __future__ import annotations

import io
import random
import re
import sys
from collections.abc import Callable, Iterable, Iterator
from contextlib import nullcontext, redirect_stderr, suppress

from subword_nmt.apply_bpe import BPE
from subword_nmt.learn_bpe import learn_bpe

from moe_nmt.corpus.cleaning.normalise import WORD_START
from moe_nmt.errors import UserError

VERSION = "#version:"  # begins subword-nmt's files of merges
MOST_CACHED = 1_000_000  # tokens; subword-nmt remembers all it has seen
CONTINUED = "@@"  # ends a subword that is not the last of its token
TOKEN = re.compile(rf"{WORD_START}?(?:\w+|[^\w{WORD_START}]+)")


def sentence_tokens(sentence: str) -> list[str]:
    """``Two men, one dog.`` -> ``_Two _men , _one _dog .`` with U+2581 for the underscore."""
    return TOKEN.findall(WORD_START + sentence.replace(" ", WORD_START)) if sentence else []


def learn_byte_pairs(lines: Iterable[str], size: int, are_tokens: bool) -> bytes:
    """Learns merges until about ``size`` subwords, single characters among them.

    ``are_tokens``: the lines are tokens between spaces, not sentences.
    """
    if not are_tokens:
        lines = (" ".join(sentence_tokens(line)) for line in lines)
    characters: set[str] = set()

    def seen() -> Iterator[str]:
        for line in lines:
            characters.update(line)
            yield line

    file = io.StringIO()
    # its progress bar would fill a log
    quiet = nullcontext() if sys.stderr.isatty() else redirect_stderr(io.StringIO())
    with quiet, suppress(ValueError):  # of its max() where nothing is left to merge
        learn_bpe(seen(), file, size, total_symbols=True)
    merges = file.getvalue()
    if merges.count("\n") < 2 and size <= 2 * len(characters):  # in a token and at its end
        raise UserError(f"--vocabulary {size} is fewer than the characters of this text need")
    if not are_tokens:
        merges = merges.replace(VERSION, f"{VERSION} {WORD_START}", 1)
    return merges.encode("utf-8")


class BytePairs:
    """Splits sentences with learned merges."""

    def __init__(self, merges: bytes, seed: int) -> None:
        text = merges.decode("utf-8")
        is_of_sentences = WORD_START in text
        self.tokens: Callable[[str], list[str]] = sentence_tokens if is_of_sentences else str.split
        merged = -1 if "\n" in text.strip() else 0  # all, or none: it stops at a line of nothing
        self.bpe = BPE(io.StringIO(text), merged, "" if is_of_sentences else CONTINUED)
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
        pieces: list[str] = self.bpe.segment_tokens(self.tokens(sentence), dropout)
        return pieces

    def known(self) -> set[str]:
        """What merges make, at the end of a token and before it."""
        merged = map("".join, self.bpe.bpe_codes)
        end, mark = "</w>", self.bpe.separator
        return {one.removesuffix(end) if one.endswith(end) else f"{one}{mark}" for one in merged}
