"""Finds pairs that occurred before, in memory that does not grow with the corpus.

Every pair has a digest of 16 bytes.  They are dealt to buckets on the disk by their first bits, so
that equal ones meet in one bucket; each bucket is then sorted in memory.
"""

from __future__ import annotations

import shutil
from collections.abc import Iterator, Sequence
from itertools import compress
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from moe_nmt.corpus.cleaning.clean import BLOCK, DIGEST_SIZE
from moe_nmt.corpus.cleaning.held_out import Sides
from moe_nmt.errors import UserError
from moe_nmt.files.progress import Progress
from moe_nmt.files.text import all_written_whole, read_blocks

ENTRY = np.dtype([("high", ">u8"), ("low", ">u8"), ("pair", "<i8")])  # a digest and whose it is
BUCKET = 1 << 25  # bytes of a bucket, about
CHUNK = 1 << 16  # digests read at a time
MOST_BUCKETS = 512  # open files


def first_occurrences(digests: Sequence[Path], scratch: Path) -> Iterator[NDArray[np.bool_]]:
    """For each file of digests, in order: whether a pair has not occurred before in any of them.

    ``scratch`` names a folder for the buckets, which disappears.
    """
    counts = [path.stat().st_size // DIGEST_SIZE for path in digests]
    buckets = 1
    while buckets < min(MOST_BUCKETS, sum(counts) * ENTRY.itemsize / BUCKET):
        buckets *= 2
    remove_scratch(scratch)
    scratch.mkdir(parents=True)
    try:
        deal(digests, scratch, buckets)
        # one byte for each pair, on the disk as well
        is_first = np.memmap(scratch / "first", np.bool_, "w+", shape=max(1, sum(counts)))
        is_first[:] = True
        for bucket in range(buckets):
            is_first[repeated(np.fromfile(scratch / str(bucket), ENTRY))] = False
        begin = 0
        for count in counts:
            yield is_first[begin : begin + count]
            begin += count
    finally:
        remove_scratch(scratch)


def remove_scratch(scratch: Path) -> None:
    """Removes the folder of the buckets, also one that a killed run left."""
    if scratch.exists():
        shutil.rmtree(scratch)


def deal(digests: Sequence[Path], scratch: Path, buckets: int) -> None:
    """Writes every digest to its bucket."""
    files = [(scratch / str(bucket)).open("wb") for bucket in range(buckets)]
    try:
        done = 0
        for path in digests:
            with path.open("rb") as file:
                while len(read := np.fromfile(file, ">u8", 2 * CHUNK).reshape(-1, 2)):
                    entries = np.empty(len(read), ENTRY)
                    entries["high"], entries["low"] = read.T
                    entries["pair"] = np.arange(done, done + len(read))
                    done += len(read)
                    bucket = (entries["high"] % buckets).astype(np.intp)
                    order = np.argsort(bucket, kind="stable")
                    bounds = np.searchsorted(bucket[order], np.arange(buckets + 1))
                    entries = entries[order]
                    for number, output in enumerate(files):
                        output.write(entries[bounds[number] : bounds[number + 1]].tobytes())
    finally:
        for output in files:
            output.close()


def repeated(entries: NDArray[np.void]) -> NDArray[np.int64]:
    """The numbers of pairs whose digest another pair before them has."""
    ordered = entries[np.lexsort((entries["pair"], entries["low"], entries["high"]))]
    is_same = (ordered["high"][1:] == ordered["high"][:-1]) & (
        ordered["low"][1:] == ordered["low"][:-1]
    )
    return ordered["pair"][1:][is_same]


def merge(corpora: Sequence[tuple[Sides, Path]], outputs: Sides, scratch: Path) -> list[int]:
    """Writes the first occurrence of every pair; returns how many of each corpus were written.

    A corpus is its sides and digests, as ``clean`` wrote them.
    """
    kept = []
    with (
        all_written_whole(outputs) as files,
        Progress("leaving out duplicates", "pairs") as progress,
    ):
        firsts = first_occurrences([digests for _, digests in corpora], scratch)
        for (texts, digests), is_first in zip(corpora, firsts, strict=True):
            done = 0
            for block in read_blocks(texts, BLOCK):
                size = len(block[0])
                chosen = is_first[done : done + size].tolist()
                if len(chosen) != size:
                    break
                for output, lines in zip(files, block, strict=True):
                    output.writelines(line + b"\n" for line in compress(lines, chosen))
                done += size
                progress.add(size)
            if done != len(is_first):
                raise UserError(
                    f"{texts[0]} has not the {len(is_first)} lines of {digests}: "
                    "remove both and run the same command again"
                )
            kept.append(int(is_first.sum()))
    return kept
