"""Writes subwords as the numbers of a dictionary, in fairseq's memory-mapped format.

The bytes are those of ``fairseq-preprocess``, but workers write in order to one file, in bounded
memory, while fairseq merges files of workers through lists of all sentences.

    NAME.bin  the numbers of every sentence's subwords and the end of sentence, one after another
    NAME.idx  b"MMIDIDX\\0\\0", version 1 (uint64), type of the numbers (uint8), number of
              sentences (uint64), length of every sentence (int32), its place in bytes (int64)
"""

from __future__ import annotations

import struct
import tempfile
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any

import numpy as np
from numpy.typing import NDArray

from moe_nmt.corpus.preparation.dictionary import BLOCK, END, UNKNOWN, read_dictionary
from moe_nmt.files.parallel import ordered_map
from moe_nmt.files.progress import Progress
from moe_nmt.files.text import read_blocks, written_whole

MAGIC = b"MMIDIDX\x00\x00"
TYPES = {np.dtype(np.uint16): 8, np.dtype(np.uint32): 9}  # fairseq's codes
MOST_SHORT = 65500  # subwords, for which fairseq takes two bytes each
CHUNK = 1 << 20  # lengths read at a time


@dataclass(frozen=True)
class Binariser:
    """Looks subwords up."""

    words: Mapping[bytes, int]
    dtype: np.dtype[Any]

    def __call__(self, block: tuple[list[bytes], ...]) -> tuple[bytes, bytes, int]:
        """Numbers and lengths of some lines, as they go to the disk, and unknown subwords."""
        numbers: list[int] = []
        lengths = []
        for line in block[0]:
            ids = [self.words.get(word, UNKNOWN) for word in line.split()]
            numbers += ids
            numbers.append(END)
            lengths.append(len(ids) + 1)
        found = np.array(numbers, self.dtype)
        return found.tobytes(), np.array(lengths, np.int32).tobytes(), int((found == UNKNOWN).sum())


def binarise(text: Path, dictionary: Path, prefix: Path, workers: int) -> dict[str, int]:
    """Writes ``prefix``.bin and .idx; returns what it counted."""
    words = read_dictionary(dictionary)
    is_short = len(words) < MOST_SHORT
    dtype: np.dtype[Any] = np.dtype(np.uint16 if is_short else np.uint32)
    sentences = subwords = unknown = 0
    with (
        written_whole(prefix.with_name(f"{prefix.name}.bin")) as data,
        written_whole(prefix.with_name(f"{prefix.name}.idx")) as index,
        tempfile.TemporaryFile(dir=prefix.parent) as lengths,
        Progress(f"binarising {text.name}", "lines") as progress,
    ):
        with data.open("wb") as data_file:
            blocks = read_blocks([text], BLOCK)
            for numbers, sizes, unseen in ordered_map(Binariser(words, dtype), blocks, workers):
                data_file.write(numbers)
                lengths.write(sizes)
                count = len(sizes) // 4
                sentences += count
                subwords += len(numbers) // dtype.itemsize - count
                unknown += unseen
                progress.add(count)
        with index.open("wb") as file:
            file.write(MAGIC + struct.pack("<QBQ", 1, TYPES[dtype], sentences))
            for chunk in read_lengths(lengths):
                file.write(chunk.tobytes())
            place = 0
            for chunk in read_lengths(lengths):
                ends = place + np.cumsum(chunk, dtype=np.int64) * dtype.itemsize
                file.write(np.concatenate([[place], ends[:-1]]).astype(np.int64).tobytes())
                place = int(ends[-1])
    return {"sentences": sentences, "subwords": subwords, "unknown": unknown}


def read_lengths(file: IO[bytes]) -> Iterator[NDArray[np.int32]]:
    """The lengths of all sentences, some at a time."""
    file.seek(0)
    while data := file.read(4 * CHUNK):
        yield np.frombuffer(data, np.int32)
