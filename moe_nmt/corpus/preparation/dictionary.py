"""fairseq's dictionary of the subwords in some files, as fairseq-preprocess would make it."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from itertools import count, filterfalse, islice
from pathlib import Path

from moe_nmt.corpus.subwords.symbols import SPECIAL
from moe_nmt.errors import UserError
from moe_nmt.files.parallel import ordered_map
from moe_nmt.files.progress import Progress
from moe_nmt.files.text import read_blocks, read_text, write_lines

END, UNKNOWN = 2, 3
MULTIPLE = 8  # fairseq pads dictionaries to one
OVERWRITE = " #fairseq:overwrite"  # may end a line of a dictionary
BLOCK = 20_000  # lines


def count_subwords(block: tuple[list[bytes], ...]) -> tuple[int, Counter[bytes]]:
    """The number of lines and how often each subword occurs in them."""
    (lines,) = block
    return len(lines), Counter(b" ".join(lines).split())


def build_dictionary(
    texts: Sequence[Path], size: int | None, output: Path, workers: int, symbols: Sequence[str] = ()
) -> int:
    """Writes a dictionary of at most ``size`` subwords, the most frequent ones of all texts.

    The user's own ``symbols`` are always among them.  Returns how many there are, without what
    fairseq adds.
    """
    counts = count_all(texts, workers)
    chosen = choose(counts, size, symbols)
    write_lines(output, padded([f"{word} {counts.get(word, 0)}" for word in chosen]))
    return len(chosen)


def extend_dictionary(
    old: Path,
    texts: Sequence[Path],
    size: int | None,
    output: Path,
    workers: int,
    symbols: Sequence[str] = (),
) -> int:
    """Writes an existing dictionary and, at its end, what it lacks of the texts' subwords.

    All that it has keeps its number: a trained model's rows stay right.  ``size`` is how many
    subwords there may be then.  Returns how many were added, without what fairseq adds.
    """
    lines = lines_of(old)
    known = {word_of(line) for line in lines}
    room = None if size is None else max(size - len(known), 0)
    counts = {word: n for word, n in count_all(texts, workers).items() if word not in known}
    added = choose(counts, room, [symbol for symbol in symbols if symbol not in known])
    more = [f"{word} {counts.get(word, 0)}" for word in added]
    write_lines(output, padded([*lines, *more]) if more else lines)
    return len(added)


def count_all(texts: Sequence[Path], workers: int) -> dict[str, int]:
    """How often each subword occurs in all texts."""
    counts: Counter[bytes] = Counter()
    for path in texts:
        with Progress(f"counting the subwords of {path.name}", "lines") as progress:
            for lines, counted in ordered_map(count_subwords, read_blocks([path], BLOCK), workers):
                counts.update(counted)
                progress.add(lines)
    words = {word.decode("utf-8"): count for word, count in counts.items()}
    for word in SPECIAL:
        words.pop(word, None)
    return words


def choose(counts: Mapping[str, int], size: int | None, symbols: Sequence[str]) -> list[str]:
    """All symbols, and the most frequent others until there are ``size``.

    They are ordered by frequency, equally frequent ones by their characters' code points.
    """
    ranked = sorted(sorted({*counts, *symbols}), key=lambda word: -counts.get(word, 0))
    others = [word for word in ranked if word not in symbols]
    chosen = {*symbols, *others[: None if size is None else max(size - len(symbols), 0)]}
    return [word for word in ranked if word in chosen]


def padded(lines: list[str]) -> list[str]:
    """A dictionary's lines with words of no meaning, as fairseq adds them."""
    known = {word_of(line) for line in lines}
    names = filterfalse(known.__contains__, map("madeupword{:04d}".format, count()))
    missing = -(len(SPECIAL) + len(lines)) % MULTIPLE
    return [*lines, *(f"{name} 0" for name in islice(names, missing))]


def lines_of(path: Path) -> list[str]:
    """The lines of an existing dictionary."""
    lines = [*read_text(path)]
    for number, line in enumerate(lines, start=1):
        if not line.removesuffix(OVERWRITE).rpartition(" ")[2].isdigit():
            raise UserError(
                f"line {number} of {path} is no word with its count: it is no dictionary of fairseq"
            )
    return lines


def word_of(line: str) -> str:
    """The word of a dictionary's line."""
    return line.removesuffix(OVERWRITE).rpartition(" ")[0]


def read_dictionary(path: Path) -> Mapping[bytes, int]:
    """Subword -> number."""
    words = map(word_of, read_text(path))
    return {word.encode("utf-8"): number for number, word in enumerate([*SPECIAL, *words])}
