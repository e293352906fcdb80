"""Leaves out pairs of sentences that would harm training, and counts what each filter takes.

Every pair is normalised and meets the filters in the order of ``FILTERS``; the first one that
objects takes it.  Duplicates go later, see ``duplicates.py``: they need the whole corpus.
"""

from __future__ import annotations

import hashlib
from collections import Counter
from dataclasses import dataclass
from pathlib import Path

from moe_nmt.corpus.cleaning.held_out import letters
from moe_nmt.corpus.cleaning.languages import Languages
from moe_nmt.corpus.cleaning.lengths import words
from moe_nmt.corpus.cleaning.normalise import normalise
from moe_nmt.files.parallel import ordered_map
from moe_nmt.files.progress import Progress
from moe_nmt.files.text import read_blocks, written_whole

FILTERS = ("not UTF-8", "empty", "too long", "ratio", "language", "held out")
DIGEST_SIZE = 16  # bytes: two pairs that differ never share one
BLOCK = 10_000  # pairs


@dataclass(frozen=True)
class Cleaner:
    """The filters; a call cleans a block of lines."""

    max_words: int
    max_characters: int
    max_ratio: float
    held_out: tuple[frozenset[str], frozenset[str]]  # of the source's and the target's language
    languages: Languages | None = None  # where sentences in others are to be found

    @property
    def filters(self) -> list[str]:
        """Those of ``FILTERS`` that are at work."""
        return [name for name in FILTERS if name != "language" or self.languages is not None]

    def __call__(self, block: tuple[list[bytes], ...]) -> Cleaned:
        """Cleans lines of both sides."""
        taken: Counter[str] = Counter()
        copied = 0
        source, target, digests = bytearray(), bytearray(), bytearray()
        for raw in zip(*block, strict=True):
            pair, objection = self.examine(raw)
            if objection is not None:
                taken[objection] += 1
                continue
            lines = [side.encode("utf-8") + b"\n" for side in pair]
            source += lines[0]
            target += lines[1]
            copied += lines[0] == lines[1]
            digests += hashlib.blake2b(b"".join(lines), digest_size=DIGEST_SIZE).digest()
        return Cleaned(len(block[0]), taken, copied, bytes(source), bytes(target), bytes(digests))

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
        shorter, longer = sorted(map(words, pair))
        if longer > self.max_words:
            return pair, "too long"
        if longer > self.max_ratio * shorter:
            return pair, "ratio"
        if self.languages is not None and not self.languages.are_right(pair):
            return pair, "language"
        if any(letters(side) in known for side, known in zip(pair, self.held_out, strict=True)):
            return pair, "held out"
        return pair, None


@dataclass(frozen=True)
class Cleaned:
    """What is left of a block: bytes of both sides and a digest per pair, and what was taken."""

    pairs: int
    taken: Counter[str]
    copied: int  # of what is left, pairs whose sides are the same
    source: bytes
    target: bytes
    digests: bytes


def clean(
    name: str,
    texts: tuple[Path, Path],
    outputs: tuple[Path, Path, Path],
    cleaner: Cleaner,
    workers: int,
) -> dict[str, int]:
    """Cleans a corpus: writes source, target and digests; returns what it counted."""
    counts = Counter({"pairs": 0, **dict.fromkeys(cleaner.filters, 0), "copied": 0})
    source, target, digests = outputs
    with (
        written_whole(source) as source_part,
        written_whole(target) as target_part,
        written_whole(digests) as digests_part,
        source_part.open("wb") as source_file,
        target_part.open("wb") as target_file,
        digests_part.open("wb") as digests_file,
        Progress(f"cleaning {name}", "pairs") as progress,
    ):
        for cleaned in ordered_map(cleaner, read_blocks(texts, BLOCK), workers):
            source_file.write(cleaned.source)
            target_file.write(cleaned.target)
            digests_file.write(cleaned.digests)
            counts["pairs"] += cleaned.pairs
            counts.update(cleaned.taken)
            counts["copied"] += cleaned.copied
            progress.add(cleaned.pairs)
    counts["left"] = counts["pairs"] - sum(counts[reason] for reason in cleaner.filters)
    return dict(counts)
