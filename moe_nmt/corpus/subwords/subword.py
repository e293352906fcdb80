"""Learns a joint vocabulary of subwords, applies it, and undoes it.

A file of subwords has them between spaces.  Of sentences, U+2581 in them stands for a space of the
sentence; of tokens ("moses-bpe"), @@ ends a subword that its token goes on after.  Either way,
joining them undoes the segmentation exactly, without the model.
"""

from __future__ import annotations

import random
import re
from collections.abc import Callable, Iterable, Iterator, Sequence
from itertools import chain
from pathlib import Path
from typing import Protocol

from moe_nmt.corpus.cleaning.normalise import WORD_START, normalise
from moe_nmt.corpus.subwords.byte_pairs import CONTINUED, VERSION, BytePairs, learn_byte_pairs
from moe_nmt.corpus.subwords.sentence_pieces import LONGEST, SentencePieces, learn_sentence_pieces
from moe_nmt.corpus.subwords.symbols import check_symbols
from moe_nmt.errors import UserError
from moe_nmt.files.each_line import rewritten
from moe_nmt.files.parallel import in_own_process
from moe_nmt.files.progress import Progress
from moe_nmt.files.text import count_lines, opened_to_write, read_text, written_whole

METHODS = ("sentencepiece", "bpe", "moses-bpe")
CONTINUES = re.compile(rf"\S{CONTINUED}(?: |$)")


class Segmenter(Protocol):
    """What a method of subword segmentation offers."""

    def best(self, sentence: str) -> list[str]:
        """The subwords to translate and validate with."""

    def sampled(self, sentence: str, alpha: float) -> list[str]:
        """Subwords that differ from call to call, for training."""

    def known(self) -> set[str]:
        """The subwords that a sentence may be split into, single characters aside."""


def learn(
    files: Sequence[Path],
    method: str,
    size: int,
    seed: int,
    output: Path,
    sample: int | None = None,
    coverage: float = 1.0,
    symbols: Sequence[str] = (),
    longest: int = LONGEST,
) -> None:
    """Learns one vocabulary from several files, or a sample of their lines, and writes the model.

    ``sample`` is about how many lines of all files are read, drawn by ``seed``; of files that are
    translations of each other, the same lines.  ``coverage`` is the share of the characters that
    SentencePiece's vocabulary must hold.  "moses-bpe" takes lines of tokens between spaces.
    ``symbols`` are kept whole, here and wherever the model is applied.  SentencePiece learns from
    no line of more bytes than ``longest``.
    """
    check_symbols(symbols, method)
    if size < 1:
        raise UserError(f"--vocabulary must be positive, not {size}")
    share = 1.0
    if sample is not None:
        share = sample / max(1, sum(map(count_lines, files)))
    lines = chain.from_iterable(drawn(read_text(path), share, seed) for path in files)
    sentences: Iterator[str] = filter(None, map(normalise, lines))
    first = next(sentences, None)
    if first is None:
        raise UserError("there is no text to learn subwords from: the files are empty")
    sentences = chain([first], sentences)

    def learned() -> bytes:
        if method == "sentencepiece":
            return learn_sentence_pieces(sentences, size, seed, coverage, symbols, longest)
        return learn_byte_pairs(sentences, size, method == "moses-bpe", symbols)

    model = in_own_process(learned, remedy="take fewer lines with --sample")
    with written_whole(output) as temporary:
        temporary.write_bytes(model)


def drawn(lines: Iterator[str], share: float, seed: int) -> Iterator[str]:
    """Each line with probability ``share``."""
    if share >= 1:
        return lines
    draw = random.Random(seed).random
    return (line for line in lines if draw() < share)


def load(path: Path, seed: int = 1) -> Segmenter:
    """The segmenter of a learned model; its method is known by the file's first bytes."""
    try:
        model = path.read_bytes()
    except OSError as error:
        raise UserError(f"cannot read {path}: {error.strerror}") from error
    try:
        if not model:
            raise RuntimeError("SentencePiece takes it, and then can do nothing")
        if model.startswith(VERSION.encode()):
            return BytePairs(model, seed)
        return SentencePieces(model, seed)
    except (RuntimeError, UnicodeDecodeError, SystemExit) as error:  # subword-nmt exits
        raise UserError(
            f"{path} is no model of subwords: make it with moe-nmt-subword learn"
        ) from error


def apply(sentence: str, segmenter: Segmenter) -> str:
    """The sentence, normalised, as subwords between spaces."""
    return " ".join(segmenter.best(normalise(sentence)))


def sample(sentence: str, segmenter: Segmenter, alpha: float) -> str:
    """The same in one of its other segmentations."""
    return " ".join(segmenter.sampled(normalise(sentence), alpha))


def undo(pieces: str) -> str:
    """The sentence that subwords are of."""
    return pieces.replace(" ", "").replace(WORD_START, " ").strip(" ")


def undo_of_tokens(pieces: str) -> str:
    """The tokens that subwords are of."""
    return f"{pieces} ".replace(f"{CONTINUED} ", "").strip(" ")


def undoing(lines: Iterable[str]) -> Callable[[str], str]:
    """What joins the subwords of these lines, known by the first mark in them."""
    for line in lines:
        if WORD_START in line:
            return undo
        if CONTINUES.search(line):
            return undo_of_tokens
    return str  # they are words


def apply_to_file(
    source: Path,
    output: Path,
    model: Path,
    copies: int = 1,
    alpha: float = 0.1,
    seed: int = 1,
    workers: int = 1,
) -> int:
    """Writes the subwords of a file; returns the number of lines written.

    With several copies the first has the best segmentation of every sentence, the others follow it
    with sampled ones, each in the order of the file: two sides stay aligned.  Only the first copy
    is shared among workers, as the draws of the others follow each other.
    """
    if copies < 1:
        raise UserError(f"--sample must be at least 1, not {copies}")
    if not 0 < alpha < 1:
        raise UserError(f"--alpha must be between 0 and 1, not {alpha}")
    segmenter = load(model, seed)
    written = 0
    with (
        opened_to_write(output) as file,
        Progress(f"segmenting {source.name}", "lines") as progress,
    ):
        for lines, pieces in rewritten(source, lambda text: apply(text, segmenter), workers):
            file.write(pieces)
            written += lines
            progress.add(lines)
        for _ in range(copies - 1):
            for sentence in read_text(source):
                file.write(sample(sentence, segmenter, alpha).encode("utf-8") + b"\n")
                written += 1
                progress.add(1)
    return written
