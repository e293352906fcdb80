"""Files of sentences: bytes split at \\n only, written whole or not at all.

CR, VT, U+0085 or U+2028 end a line for some readers and not for others, so that counts drift and
pairs shift in silence; here nothing but \\n does.
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path


def read_lines(path: Path) -> Iterator[bytes]:
    """The lines of a file without their \\n; a last line without one counts too."""
    try:
        with path.open("rb") as file:
            for line in file:
                yield line.removesuffix(b"\n")
    except OSError as error:
        raise SystemExit(f"moe_nmt: cannot read {path}: {error.strerror}") from error


def read_text(path: Path) -> Iterator[str]:
    """The lines of a file as UTF-8."""
    for number, line in enumerate(read_lines(path), start=1):
        try:
            yield line.decode("utf-8")
        except UnicodeDecodeError as error:
            raise SystemExit(
                f"moe_nmt: line {number} of {path} is not UTF-8: convert the file, with iconv, say"
            ) from error


@contextmanager
def written_whole(path: Path) -> Iterator[Path]:
    """A temporary path that takes the place of ``path`` when all went well, else disappears."""
    temporary = path.with_name(f"{path.name}.part")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        try:
            yield temporary
            temporary.replace(path)
        finally:
            temporary.unlink(missing_ok=True)
    except OSError as error:
        raise SystemExit(f"moe_nmt: cannot write {path}: {error.strerror or error}") from error


def write_lines(path: Path, lines: Iterable[str]) -> int:
    """Writes one line each and returns how many they were."""
    count = 0
    with written_whole(path) as temporary, temporary.open("wb") as file:
        for line in lines:
            file.write(line.encode("utf-8") + b"\n")
            count += 1
        file.flush()
        os.fsync(file.fileno())
    return count


def count_lines(path: Path) -> int:
    """How many lines a file has."""
    return sum(1 for _ in read_lines(path))


def check_same_count(paths: Sequence[Path], why: str) -> int:
    """Stops unless all files have the same number of lines, which it returns."""
    counts = [count_lines(path) for path in paths]
    for path, count in zip(paths[1:], counts[1:], strict=True):
        if count != counts[0]:
            raise SystemExit(
                f"moe_nmt: {paths[0]} has {counts[0]} lines but {path} has {count}: {why}"
            )
    return counts[0]


def write_text(path: Path, text: str) -> None:
    """Writes a small file, figures or a picture, say."""
    with written_whole(path) as temporary:
        temporary.write_text(text, encoding="utf-8")
