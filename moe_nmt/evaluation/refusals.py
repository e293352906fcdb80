"""Stops before a score that would mislead, in one sentence."""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path

from sacrebleu.metrics.chrf import CHRF

from moe_nmt.corpus.cleaning.normalise import WORD_START
from moe_nmt.errors import UserError

SUBWORDS = {  # mark of a subword -> what puts the words together
    re.compile(WORD_START): "moe-nmt-subword undo, or --post-process sentencepiece in "
    "fairseq-generate",
    re.compile(r"\S@@(?: |$)"): "sed -E 's/@@( |$)//g', or --post-process subword_nmt in "
    "fairseq-generate",
}
# What only tokenizers write, and white space before a full stop or a comma, which no language
# has (French has it before ; : ! and ?).
TOKENIZED = re.compile(r" @[-/,.]@ |&(?:apos|quot|#91|#93|#124|amp|lt|gt);")
SPACED = re.compile(r"\S [.,](?: |$)")
POINTED = re.compile(r"\S ?[.,](?: |$)")
SIMILAR = (
    50.0  # chrF2: of a text with another one 20, with itself in lower case, as tokens, over 80
)
STRAY = 0.05  # the share of lines in which marks may be of the text itself


def share(lines: Sequence[str], mark: re.Pattern[str]) -> float:
    """In which part of the lines a mark occurs."""
    return sum(mark.search(line) is not None for line in lines) / max(len(lines), 1)


def refuse_empty(path: Path, lines: Sequence[str]) -> None:
    """Stops at a file without a word."""
    if not any(map(str.strip, lines)):
        raise UserError(f"{path} is empty: was it written to the end?")


def refuse_other_length(
    path: Path, lines: Sequence[str], other: Path, expected: Sequence[str]
) -> None:
    """Stops unless two files have the same number of lines."""
    if len(lines) != len(expected):
        raise UserError(
            f"{path} has {len(lines)} lines but {other} has {len(expected)}: "
            "they are not of the same sentences; translate the whole file again"
        )


def refuse_subwords(path: Path, lines: Sequence[str], references: Sequence[str] = ()) -> None:
    """Stops at subwords that nobody joined; marks that the references have too are the text's."""
    for mark, remedy in SUBWORDS.items():
        if share(lines, mark) > max(share(references, mark), 0.0 if references else STRAY):
            number, line = next((n, x) for n, x in enumerate(lines, start=1) if mark.search(x))
            raise UserError(
                f"{path} has subwords left in, first in line {number} ({line[:60]!r}): "
                f"put its words together by {remedy}"
            )


def refuse_other_text(
    path: Path, targets: Sequence[str], other: Path, references: Sequence[str]
) -> None:
    """Stops where the references that fairseq read, if it had any, are not the ones given.

    They may be normalised, tokenised, without case, or lack rare words; so characters are compared.
    """
    pairs = [
        (target, reference) for target, reference in zip(targets, references, strict=True) if target
    ]
    if not pairs:
        return
    read, given = zip(*pairs, strict=True)
    similarity = CHRF(lowercase=True).corpus_score(read, [given]).score
    if similarity < SIMILAR:
        raise UserError(
            f"{path} and {other} are not of the same sentences: the references that "
            f"fairseq read are others (chrF2 {similarity:.0f}); name those of its --gen-subset"
        )


def looks_tokenized(lines: Sequence[str]) -> bool:
    """Whether a tokenizer wrote these lines."""
    pointed = [line for line in lines if POINTED.search(line)]
    # Of a script with full stops of its own, a line or two with another one say nothing.
    are_spaced = share(lines, SPACED) > STRAY and share(pointed, SPACED) > 0.5
    return share(lines, TOKENIZED) > STRAY or are_spaced


def refuse_tokenized(path: Path, lines: Sequence[str]) -> None:
    """Stops at tokenised text where text is wanted."""
    if looks_tokenized(lines):
        raise UserError(
            f"{path} looks tokenised, and sacreBLEU is for text: undo the tokens, Moses' "
            "by moe-nmt-subword detokenize, or give hypotheses and references tokenised alike with "
            "--tokenizer none for multi-bleu alone"
        )


def refuse_tokenized_on_one_side(
    path: Path, lines: Sequence[str], other: Path, references: Sequence[str]
) -> None:
    """Stops where of hypotheses and references only one looks tokenised."""
    if (tokenized := looks_tokenized(lines)) != looks_tokenized(references):
        one, text = (path, other) if tokenized else (other, path)
        raise UserError(
            f"{one} looks tokenised and {text} does not: --tokenizer none wants both "
            "tokenised alike"
        )
