"""Reads what fairseq-generate and fairseq-interactive print about each sentence.

A line is ``KIND-NUMBER<tab>...``: T the reference, H a hypothesis with its score, D the same after
fairseq's own ``--bpe`` and ``--tokenizer`` are undone, P the log2-probabilities of its words, A its
attention.  Hypotheses of one sentence follow each other, the best first.
"""

from __future__ import annotations

import math
import re
from collections.abc import Collection, Iterable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from moe_nmt.corpus.cleaning.normalise import WORD_START
from moe_nmt.corpus.subwords.subword import undo, undoing
from moe_nmt.errors import UserError
from moe_nmt.files.text import count_lines, read_text, write_lines

LINE = re.compile(r"([STHDPA])-(\d{1,18})\t(.*)", re.DOTALL)
LEAST, MOST = -1000, 0.001  # log2-probabilities beyond are none; printed ones are rounded


@dataclass(frozen=True)
class Hypothesis:
    """One translation of one sentence; "" stands for a line that was not printed."""

    sentence: int
    target: str  # the reference, as fairseq read it
    pieces: str
    text: str  # the pieces after fairseq's --post-process, --bpe and --tokenizer
    positional: str
    attention: str

    def log_probabilities(self) -> NDArray[np.float64]:
        """ln P of each word, the end of the sentence included: [target words].

        Raises:
            ValueError: where there are none, or too few, as in a file that was cut off.
        """
        values = np.array(self.positional.split(), dtype=np.float64)
        # words may be of several subwords, which --post-process has joined
        if len(values) < len(self.pieces.split()) + 1:
            raise ValueError("fewer probabilities than words")
        if not ((values >= LEAST) & (values <= MOST)).all():
            raise ValueError("numbers that are no logarithms of probabilities")
        return values * math.log(2)

    def attention_matrix(self) -> NDArray[np.float64]:
        """``--print-alignment soft``: [target words, source words], both with the sentence's end.

        Raises:
            ValueError: for an alignment that is none of probabilities.
        """
        rows = [row.split(",") for row in self.attention.split(" ")]
        return np.array(rows, dtype=np.float64)


def probabilities(generated: Path, hypothesis: Hypothesis) -> NDArray[np.float64]:
    """ln P of each word of a hypothesis in a file, with the end: [target words].

    Raises:
        UserError: there are none, or too few.
    """
    try:
        return hypothesis.log_probabilities()
    except ValueError as error:
        raise UserError(
            f"{generated} has no probabilities of all words of sentence {hypothesis.sentence}: "
            "was it written to the end?"
        ) from error


def read_hypotheses(generated: Path) -> Iterator[Hypothesis]:
    """All hypotheses of a file, in its order."""
    sentence, fields = "", dict[str, str]()

    def finished() -> Iterator[Hypothesis]:
        if "H" in fields:
            pieces = fields["H"].partition("\t")[2]
            text = fields["D"].partition("\t")[2] if "D" in fields else pieces
            target, positional, attention = (fields.get(kind, "") for kind in "TPA")
            yield Hypothesis(int(sentence), target, pieces, text, positional, attention)

    for line in read_text(generated):
        if (match := LINE.fullmatch(line)) is None:
            continue
        if match[2] != sentence:
            yield from finished()
            sentence, fields = match[2], {}
        elif match[1] == "H":
            yield from finished()
            fields = {"T": fields.get("T", "")}
        fields[match[1]] = match[3]
    yield from finished()


def joined(texts: Iterable[str]) -> list[str]:
    """The sentences of a whole file, put together if they are subwords."""
    lines = list(texts)
    return [*map(undo, lines)] if any(WORD_START in line for line in lines) else lines


def best_hypotheses(generated: Path) -> dict[int, Hypothesis]:
    """The first, that is best, hypothesis of each sentence by its number; none of plain text."""
    best: dict[int, Hypothesis] = {}
    for hypothesis in read_hypotheses(generated):
        # Attention is long, and nobody wants that of the best alone.
        best.setdefault(hypothesis.sentence, replace(hypothesis, attention=""))
    return best


def refuse_missing(generated: Path, found: Collection[int], other: Path, expected: int) -> None:
    """Stops unless a file has exactly the sentences of another one of so many lines."""
    if sorted(found) != list(range(expected)):
        raise UserError(
            f"{generated} has translations of {len(found)} sentences but {other} has "
            f"{expected} lines: translate the whole of that file again"
        )


def write_translations(generated: Path, source: Path, output: Path) -> int:
    """Writes the translations, subwords joined, in the order of the source, and counts them."""
    best, expected = best_hypotheses(generated), count_lines(source)
    refuse_missing(generated, best, source, expected)
    texts = [best[number].text for number in range(expected)]
    return write_lines(output, map(undoing(texts), texts))
