"""Learns a joint vocabulary of subwords, applies it, and undoes it.

Whichever the method, a file of subwords has the same form: subwords stand between spaces, and
U+2581 in them stands for a space of the sentence.  Joining them undoes the segmentation exactly,
without the model.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import chain
from pathlib import Path
from typing import Protocol

from moe_nmt.corpus.byte_pairs import FIRST_LINE, BytePairs, learn_byte_pairs
from moe_nmt.corpus.files import read_text, write_lines, written_whole
from moe_nmt.corpus.normalise import WORD_START, normalise
from moe_nmt.corpus.sentence_pieces import SentencePieces, learn_sentence_pieces

METHODS = ("sentencepiece", "bpe")


class Segmenter(Protocol):
    """What a method of subword segmentation offers."""

    def best(self, sentence: str) -> list[str]:
        """The subwords to translate and validate with."""

    def sampled(self, sentence: str, alpha: float) -> list[str]:
        """Subwords that differ from call to call, for training."""


def learn(files: Sequence[Path], method: str, size: int, seed: int, output: Path) -> None:
    """Learns one vocabulary from several files and writes the model."""
    if size < 1:
        raise SystemExit(f"moe_nmt: --vocabulary must be positive, not {size}")
    sentences: Iterator[str] = filter(
        None, map(normalise, chain.from_iterable(map(read_text, files)))
    )
    first = next(sentences, None)
    if first is None:
        raise SystemExit("moe_nmt: there is no text to learn subwords from: the files are empty")
    sentences = chain([first], sentences)
    if method == "bpe":
        model = learn_byte_pairs(sentences, size)
    else:
        model = learn_sentence_pieces(sentences, size, seed)
    with written_whole(output) as temporary:
        temporary.write_bytes(model)


def load(path: Path, seed: int = 1) -> Segmenter:
    """The segmenter of a learned model; its method is known by the file's first bytes."""
    try:
        model = path.read_bytes()
    except OSError as error:
        raise SystemExit(f"moe_nmt: cannot read {path}: {error.strerror}") from error
    try:
        if model.startswith(FIRST_LINE):
            return BytePairs(model, seed)
        return SentencePieces(model, seed)
    except (RuntimeError, UnicodeDecodeError) as error:
        raise SystemExit(
            f"moe_nmt: {path} is no model of subwords: make it with moe-nmt-subword learn"
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


def apply_to_file(
    source: Path, output: Path, model: Path, copies: int = 1, alpha: float = 0.1, seed: int = 1
) -> int:
    """Writes the subwords of a file; returns the number of lines written.

    With several copies the first has the best segmentation of every sentence, the others follow it
    with sampled ones, each in the order of the file: two sides stay aligned.
    """
    if copies < 1:
        raise SystemExit(f"moe_nmt: --sample must be at least 1, not {copies}")
    if not 0 < alpha < 1:
        raise SystemExit(f"moe_nmt: --alpha must be between 0 and 1, not {alpha}")
    segmenter = load(model, seed)

    def lines() -> Iterator[str]:
        for sentence in read_text(source):
            yield apply(sentence, segmenter)
        for _ in range(copies - 1):
            for sentence in read_text(source):
                yield sample(sentence, segmenter, alpha)

    return write_lines(output, lines())
