"""Writes a file line by line from another one, with several processes."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from itertools import count
from pathlib import Path

from moe_nmt.files.parallel import ordered_map
from moe_nmt.files.progress import Progress
from moe_nmt.files.text import decoded, opened_to_write, read_blocks

BLOCK = 5000  # lines


def rewrite(
    source: Path, output: Path, function: Callable[[str], str], what: str, workers: int
) -> int:
    """Writes ``function`` of every line; returns how many these are.  ``what`` is for the user."""
    written = 0
    with (
        opened_to_write(output) as file,
        Progress(f"{what} {source.name}", "lines") as progress,
    ):
        for lines, text in rewritten(source, function, workers):
            file.write(text)
            written += lines
            progress.add(lines)
    return written


def rewritten(
    source: Path, function: Callable[[str], str], workers: int
) -> Iterator[tuple[int, bytes]]:
    """Blocks of new lines: how many they are, and their bytes."""

    def of_block(block: tuple[int, tuple[list[bytes], ...]]) -> tuple[int, bytes]:
        number, (lines,) = block
        texts = [decoded(line, number + index, source) for index, line in enumerate(lines, start=1)]
        return len(lines), "".join(f"{function(text)}\n" for text in texts).encode("utf-8")

    blocks = zip(count(0, BLOCK), read_blocks([source], BLOCK), strict=False)
    return ordered_map(of_block, blocks, workers)
