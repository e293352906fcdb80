"""Leaves out pairs of sentences that would harm training, and counts what each filter takes.

Every pair is normalised and meets the filters in the order of ``FILTERS``; the first one that
objects takes it.  Duplicates go later, see ``duplicates.py``: they need the whole corpus.
"""

from __future__ import annotations

import hashlib
from collections import Counter
from dataclasses import dataclass
from pathlib import Path

from moe_nmt.corpus.cleaning.held_out import Sides, letters
from moe_nmt.corpus.cleaning.languages import Languages
from moe_nmt.corpus.cleaning.lengths import words
from moe_nmt.corpus.cleaning.normalise import normalise
from moe_nmt.files.parallel import ordered_map
from moe_nmt.files.progress import Progress
from moe_nmt.files.text import all_written_whole, read_blocks

FILTERS = ("not UTF-8", "empty", "too long", "ratio", "language", "held out")
DIGEST_SIZE = 16  # bytes: two pairs that differ never share one
BLOCK = 10_000  # pairs


@dataclass(frozen=True)
class Cleaner:
    """The filters; a call cleans a block of lines."""

    max_words: int
    max_characters: int
    max_ratio: float
    held_out: tuple[frozenset[str], ...]  # of each side's language
    languages: Languages | None = None  # where sentences in others are to be found

    @property
    def filters(self) -> list[str]:
        """Those of ``FILTERS`` that are at work."""
        without = set() if self.is_parallel else {"ratio"}
        if self.languages is None:
            without.add("language")
        return [name for name in FILTERS if name not in without]

    @property
    def is_parallel(self) -> bool:
        """Whether there are two sides, to be compared."""
        return len(self.held_out) == 2

    def __call__(self, block: tuple[list[bytes], ...]) -> Cleaned:
        """Cleans lines of all sides."""
        taken: Counter[str] = Counter()
        copied = 0
        sides, digests = [bytearray() for _ in block], bytearray()
        for raw in zip(*block, strict=True):
            pair, objection = self.examine(raw)
            if objection is not None:
                taken[objection] += 1
                continue
            lines = [side.encode("utf-8") + b"\n" for side in pair]
            for side, line in zip(sides, lines, strict=True):
                side += line
            copied += self.is_parallel and lines[0] == lines[1]
            digests += hashlib.blake2b(b"".join(lines), digest_size=DIGEST_SIZE).digest()
        return Cleaned(len(block[0]), taken, copied, [*map(bytes, sides)], bytes(digests))

    def examine(self, raw: tuple[bytes, ...]) -> tuple[list[str], str | None]:
        """The normalised pair, and the filter that takes it, if any."""
        try:
            pair = [normalise(line.decode("utf-8")) for line in raw]
        except UnicodeDecodeError:
            return [], "not UTF-8"
        if not all(pair):
            return pair, "empty"
        if max(map(len, pair)) > self.max_characters:
            return pair, "too long"
        lengths = [*map(words, pair)]
        if max(lengths) > self.max_words:
            return pair, "too long"
        if max(lengths) > self.max_ratio * min(lengths):
            return pair, "ratio"
        if self.languages is not None and not self.languages.are_right(pair):
            return pair, "language"
        if any(letters(side) in known for side, known in zip(pair, self.held_out, strict=True)):
            return pair, "held out"
        return pair, None


@dataclass(frozen=True)
class Cleaned:
    """What is left of a block: bytes of all sides and a digest per pair, and what was taken."""

    pairs: int
    taken: Counter[str]
    copied: int  # of what is left, pairs whose sides are the same
    sides: list[bytes]
    digests: bytes


def clean(
    name: str,
    texts: Sides,
    outputs: Sides,
    digests: Path,
    cleaner: Cleaner,
    workers: int,
) -> dict[str, int]:
    """Cleans a corpus: writes its sides and digests; returns what it counted."""
    counts = Counter({"pairs": 0, **dict.fromkeys(cleaner.filters, 0), "copied": 0})
    with (
        all_written_whole([*outputs, digests]) as (*files, digests_file),
        Progress(f"cleaning {name}", "pairs" if cleaner.is_parallel else "lines") as progress,
    ):
        for cleaned in ordered_map(cleaner, read_blocks(texts, BLOCK), workers):
            for file, side in zip(files, cleaned.sides, strict=True):
                file.write(side)
            digests_file.write(cleaned.digests)
            counts["pairs"] += cleaned.pairs
            counts.update(cleaned.taken)
            counts["copied"] += cleaned.copied
            progress.add(cleaned.pairs)
    counts["left"] = counts["pairs"] - sum(counts[reason] for reason in cleaner.filters)
    return dict(counts)
