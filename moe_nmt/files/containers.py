"""What kind of file this is, by its first bytes and never by its name; and compression by name.

Text may be compressed by gzip, xz, bzip2 or Zstandard.  What is no text is refused.
"""

from __future__ import annotations

import bz2
import gzip
import io
import lzma
import re
import zlib
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import IO, Any

from moe_nmt.errors import UserError

LONGEST_MAGIC = 512  # bytes: tar's stands at 257
FOREIGN = {
    b"PK\x03\x04": "a zip archive, or a document in one",
    b"7z\xbc\xaf": "a 7z archive",
    b"Rar!": "a rar archive",
    b"%PDF": "a PDF document",
    b"TNTIDX": "binarised already",
    b"MMIDIDX": "binarised already",
}
UNICODE = {  # the longer marks first: UTF-32's begins as UTF-16's
    b"\xff\xfe\x00\x00": "UTF-32",
    b"\x00\x00\xfe\xff": "UTF-32",
    b"\xff\xfe": "UTF-16",
    b"\xfe\xff": "UTF-16",
}
TAR = slice(257, 262)
# An encoding of two or four bytes has a zero in every second character of English; text may hold a
# stray one, which normalising removes.
MOST_ZEROS = 0.1


def zstd() -> Any:
    """Python's module of 3.14, as a package."""
    try:
        from backports import zstd
    except ImportError as error:
        raise UserError(
            "Zstandard's files need a package: pip install backports.zstd, or decompress them"
        ) from error
    return zstd


COMPRESSED = {  # by the first bytes
    ".gz": re.compile(rb"\x1f\x8b"),
    ".xz": re.compile(rb"\xfd7zXZ\x00"),
    ".bz2": re.compile(rb"BZh[1-9](1AY&SY|\x17\x72\x45\x38\x50\x90)"),  # a block, or none
    ".zst": re.compile(rb"\x28\xb5\x2f\xfd"),
}
READERS: dict[str, Callable[[IO[bytes]], Any]] = {
    ".gz": lambda file: gzip.GzipFile(fileobj=file),
    ".xz": lzma.LZMAFile,
    ".bz2": bz2.BZ2File,
    ".zst": lambda file: zstd().ZstdFile(file),
}
WRITERS: dict[str, Callable[[IO[bytes]], Any]] = {
    # without name and time: the same text gives the same bytes
    ".gz": lambda file: gzip.GzipFile("", "wb", fileobj=file, mtime=0),
    ".xz": partial(lzma.LZMAFile, mode="wb"),
    ".bz2": partial(bz2.BZ2File, mode="wb"),
    ".zst": lambda file: zstd().ZstdFile(file, "wb"),
}
BROKEN = (EOFError, gzip.BadGzipFile, zlib.error, lzma.LZMAError)


@contextmanager
def reader(path: Path) -> Iterator[IO[bytes]]:
    """The bytes of a file, or a pipe, decompressed.

    Raises:
        UserError: it is no text, or not whole.
    """
    try:
        with path.open("rb") as file:
            begin = file.peek(LONGEST_MAGIC)
            if (suffix := compression(begin)) is None:
                refuse_other_kinds(path, begin)
                yield file
                return
            with io.BufferedReader(READERS[suffix](file)) as inside:
                refuse_other_kinds(path, inside.peek(LONGEST_MAGIC))
                yield inside
    except Exception as error:
        if isinstance(error, BROKEN) or type(error).__name__ == "ZstdError" or is_bad_bzip2(error):
            raise UserError(
                f"{path} is not a whole compressed file: remove it and get it again"
            ) from error
        raise


def compression(begin: bytes) -> str | None:
    """How a file that begins so is compressed, as the suffix of a name."""
    return next((suffix for suffix, magic in COMPRESSED.items() if magic.match(begin)), None)


def is_bad_bzip2(error: Exception) -> bool:
    """Whether an OSError is of the data: it has no number."""
    return isinstance(error, OSError) and error.errno is None


def refuse_other_kinds(path: Path | str, begin: bytes) -> None:
    """Stops where the first bytes are of no text in UTF-8."""
    for magic, kind in FOREIGN.items():
        if begin.startswith(magic):
            raise UserError(f"{path} is {kind}, not text: name the text itself")
    if begin[TAR] == b"ustar":
        raise UserError(f"{path} is a tar archive, not text: extract it first")
    for mark, encoding in UNICODE.items():
        if begin.startswith(mark):
            raise UserError(f"{path} is {encoding}: {remedy(encoding)}")
    if (zeros := begin.count(0)) > MOST_ZEROS * len(begin):
        encoding = f"UTF-{32 if zeros > len(begin) / 2 else 16}{'LE' if begin[0] else 'BE'}"
        raise UserError(
            f"{path} is binary, or {encoding} without a mark; of the latter, {remedy(encoding)}"
        )


def remedy(encoding: str) -> str:
    """How to make UTF-8 of another encoding."""
    return f"make it UTF-8 first by iconv -f {encoding} -t UTF-8"


@contextmanager
def writer(path: Path, name: Path) -> Iterator[IO[bytes]]:
    """A new file, compressed as its final ``name`` says."""
    with path.open("ab" if path == name else "wb") as file:  # a device keeps what it has
        if (compressed := WRITERS.get(name.suffix)) is None:
            yield file
            return
        with compressed(file) as outside:
            yield outside


def plain_name(name: str) -> str:
    """A file's name without the suffix of its compression."""
    return name.removesuffix(Path(name).suffix) if Path(name).suffix in WRITERS else name
