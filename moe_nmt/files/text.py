"""Files of sentences: bytes split at \\n only, written whole or not at all.

CR, VT, U+0085 or U+2028 end a line for some readers and not for others, so that counts drift and
pairs shift in silence; here nothing but \\n does.  ``containers`` knows what is compressed.
"""

from __future__ import annotations

import os
from codecs import BOM_UTF8
from collections.abc import Iterable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from itertools import islice
from pathlib import Path
from typing import IO

from moe_nmt.errors import UserError
from moe_nmt.files.containers import reader, remedy, writer

CHUNK = 1 << 20  # bytes
# /dev/stdout and the like are links to what is open already, perhaps a file that others write too.
OPEN_FILES = ("/dev", "/dev/fd", "/proc/self/fd")


@contextmanager
def readable(path: Path) -> Iterator[IO[bytes]]:
    """The bytes of a file, decompressed; what goes wrong while they are read ends in a sentence."""
    try:
        with reader(path) as file:
            yield file
    except OSError as error:
        raise UserError(f"cannot read {path}: {error.strerror or error}") from error


def read_lines(path: Path) -> Iterator[bytes]:
    """The lines of a file without their \\n; a last line without one counts too.

    UTF-8's mark at the beginning is no text.
    """
    with readable(path) as file:
        for number, line in enumerate(file):
            yield (line if number else line.removeprefix(BOM_UTF8)).removesuffix(b"\n")


def read_text(path: Path) -> Iterator[str]:
    """The lines of a file as UTF-8."""
    for number, line in enumerate(read_lines(path), start=1):
        yield decoded(line, number, path)


def decoded(line: bytes, number: int, path: Path) -> str:
    """Line ``number`` of a file as UTF-8."""
    try:
        return line.decode("utf-8")
    except UnicodeDecodeError as error:
        raise UserError(
            f"line {number} of {path} is not UTF-8: if it is LATIN1, say, {remedy('LATIN1')}"
        ) from error


def read_blocks(paths: Sequence[Path], size: int) -> Iterator[tuple[list[bytes], ...]]:
    """Up to ``size`` lines of each file at a time, each line without its \\n.

    Files of different lengths end in one sentence with both counts, when the shorter one ends.
    """
    sides = [read_lines(path) for path in paths]
    done = 0
    while True:
        block = tuple(list(islice(side, size)) for side in sides)
        if len({len(lines) for lines in block}) > 1:
            counts = [
                done + len(lines) + sum(1 for _ in side)
                for lines, side in zip(block, sides, strict=True)
            ]
            stop_unless_same(paths, counts, "they are no translation of each other line by line")
        if not block[0]:
            return
        done += len(block[0])
        yield block


@contextmanager
def written_whole(path: Path) -> Iterator[Path]:
    """A temporary path that takes the place of ``path`` when all went well, else disappears.

    It is on the disk before it takes the place: a power failure leaves the old file or the new.  Of
    a link, what it leads to is replaced; into a pipe or a device is written as it comes.
    """
    if path.is_dir():
        raise UserError(f"cannot write {path}: it is a folder; name a file")
    if path.exists() and (not path.is_file() or str(path.parent) in OPEN_FILES):
        with writing(path):
            yield path
        return
    path = path.resolve() if path.is_symlink() else path
    temporary = path.with_name(f"{path.name}.part")
    with writing(path):
        path.parent.mkdir(parents=True, exist_ok=True)
        try:
            yield temporary
            with temporary.open("rb") as file:
                os.fsync(file.fileno())
            temporary.replace(path)
        finally:
            temporary.unlink(missing_ok=True)


@contextmanager
def writing(path: Path) -> Iterator[None]:
    """What goes wrong while a file is written ends in one sentence."""
    try:
        yield
    except OSError as error:
        raise UserError(f"cannot write {path}: {error.strerror or error}") from error


@contextmanager
def opened_to_write(path: Path) -> Iterator[IO[bytes]]:
    """The same, opened, and compressed where the name ends in .gz, .xz, .bz2 or .zst."""
    with written_whole(path) as temporary, writer(temporary, path) as file:
        yield file


def write_lines(path: Path, lines: Iterable[str]) -> int:
    """Writes one line each and returns how many they were."""
    count = 0
    with opened_to_write(path) as file:
        for line in lines:
            file.write(line.encode("utf-8") + b"\n")
            count += 1
    return count


def count_lines(path: Path) -> int:
    """How many lines a file has; a last line without \\n counts too."""
    lines, last = 0, b"\n"
    with readable(path) as file:
        while chunk := file.read(CHUNK):
            lines += chunk.count(b"\n")
            last = chunk[-1:]
    return lines + (last != b"\n")


@contextmanager
def all_written_whole(outputs: Sequence[Path]) -> Iterator[list[IO[bytes]]]:
    """Files to write bytes to, each of which gets its name as ``written_whole`` gives it."""
    with ExitStack() as stack:
        parts = [stack.enter_context(written_whole(output)) for output in outputs]
        yield [stack.enter_context(part.open("wb")) for part in parts]


def check_same_count(paths: Sequence[Path], why: str) -> int:
    """Stops unless all files have the same number of lines, which it returns.

    What is no file, such as a pipe that was written, cannot be counted any more.
    """
    paths = [path for path in paths if path.is_file() or not path.exists()]
    counts = [count_lines(path) for path in paths]
    stop_unless_same(paths, counts, why)
    return counts[0] if counts else 0


def stop_unless_same(paths: Sequence[Path], counts: Sequence[int], why: str) -> None:
    """Stops with two files and their counts of lines where these differ."""
    for path, count in zip(paths[1:], counts[1:], strict=True):
        if count != counts[0]:
            raise UserError(f"{paths[0]} has {counts[0]} lines but {path} has {count}: {why}")


def write_text(path: Path, text: str) -> None:
    """Writes a small file, figures or a picture, say."""
    with written_whole(path) as temporary:
        temporary.write_text(text, encoding="utf-8")
