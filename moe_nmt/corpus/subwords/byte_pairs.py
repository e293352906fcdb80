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
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import nullcontext, redirect_stderr, suppress
from functools import partial
from itertools import groupby

import regex
from subword_nmt.apply_bpe import BPE
from subword_nmt.learn_bpe import learn_bpe

from moe_nmt.corpus.cleaning.normalise import WORD_START
from moe_nmt.errors import UserError

VERSION = "#version:"  # begins subword-nmt's files of merges
MOST_CACHED = 1_000_000  # tokens; subword-nmt remembers all it has seen
CONTINUED = "@@"  # ends a subword that is not the last of its token
# Letters, their marks, which are no \w, such as the vowel signs of Hindi and Thai, and joiners.
LETTER = r"\w\p{M}\u200c\u200d"
TOKEN = regex.compile(rf"{WORD_START}?(?:[{LETTER}]+|[^{LETTER}{WORD_START}]+)")


def sentence_tokens(sentence: str, symbols: Sequence[str] = ()) -> list[str]:
    """``Two men, one dog.`` -> ``_Two _men , _one _dog .`` with U+2581 for the underscore.

    ``symbols`` are tokens of their own, without the space before them.
    """
    if not sentence:
        return []
    text = WORD_START + sentence.replace(" ", WORD_START)
    if not symbols:
        tokens: list[str] = TOKEN.findall(text)
        return tokens
    parts = re.split(f"({either(symbols)})", text)  # each second one is a symbol
    return [
        token
        for number, part in enumerate(parts)
        for token in ([part] if number % 2 else around_symbols(part))
    ]


def around_symbols(text: str) -> list[str]:
    """The tokens of text before, between or after symbols: its last space may stand alone."""
    found: list[str] = TOKEN.findall(text)
    return [*found, WORD_START] if text.endswith(WORD_START) else found


def either(symbols: Sequence[str]) -> str:
    """A pattern that finds the symbols, the longest first."""
    return "|".join(map(re.escape, sorted(symbols, key=len, reverse=True)))


def learn_byte_pairs(
    lines: Iterable[str], size: int, are_tokens: bool, symbols: Sequence[str] = ()
) -> bytes:
    """Learns merges until about ``size`` subwords, single characters and ``symbols`` among them.

    ``are_tokens``: the lines are tokens between spaces, not sentences.
    """
    if not are_tokens:
        lines = (
            " ".join(token for token in sentence_tokens(line, symbols) if token not in symbols)
            for line in lines
        )
        size -= len(symbols)
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
    if not are_tokens:  # the first line tells what the merges are of, and which symbols they spare
        merges = merges.replace(VERSION, " ".join([VERSION, WORD_START, *symbols]), 1)
    return merges.encode("utf-8")


class BytePairs:
    """Splits sentences with learned merges."""

    def __init__(self, merges: bytes, seed: int) -> None:
        text = merges.decode("utf-8")
        self.symbols = tuple(text.partition("\n")[0].split()[2:-1])
        self.is_of_sentences = is_of_sentences = WORD_START in text
        self.tokens: Callable[[str], list[str]] = (
            partial(sentence_tokens, symbols=self.symbols) if is_of_sentences else str.split
        )
        merged = -1 if "\n" in text.strip() else 0  # all, or none: it stops at a line of nothing
        self.bpe = BPE(io.StringIO(text), merged, "" if is_of_sentences else CONTINUED)
        self.draws = random.Random(seed).getstate()

    def best(self, sentence: str) -> list[str]:
        """The segmentation after all merges."""
        return self.segment(sentence, dropout=0.0)

    def sampled(self, sentence: str, alpha: float) -> list[str]:
        """A segmentation in which each merge was left out with probability alpha (BPE dropout)."""
        others = random.getstate()  # subword-nmt draws from the generator of the whole process
        random.setstate(self.draws)
        try:
            pieces = self.segment(sentence, alpha)
        finally:
            self.draws = random.getstate()
            random.setstate(others)
        self.bpe.cache.clear()  # else best() would find the sampled words there
        return pieces

    def segment(self, sentence: str, dropout: float) -> list[str]:
        """The subwords of all tokens."""
        if len(self.bpe.cache) > MOST_CACHED:
            self.bpe.cache.clear()
        pieces: list[str] = []
        # subword-nmt's own glossaries would look for a symbol in a longer one
        for is_symbol, group in groupby(self.tokens(sentence), self.symbols.__contains__):
            tokens = [*group]
            pieces += tokens if is_symbol else self.bpe.segment_tokens(tokens, dropout)
        return pieces

    def known(self) -> set[str]:
        """What merges make, at the end of a token and before it, and the symbols."""
        merged = map("".join, self.bpe.bpe_codes)
        end, mark = "</w>", self.bpe.separator
        made = {one.removesuffix(end) if one.endswith(end) else f"{one}{mark}" for one in merged}
        return made | {*self.symbols}
