"""Gets members of tar archives, checked before anything is read from them."""

from __future__ import annotations

import gzip
import sys
import tarfile
import zlib
from collections.abc import Mapping
from contextlib import closing
from pathlib import Path, PurePosixPath
from typing import IO, BinaryIO, cast

from moe_nmt.corpus.sources.download import download
from moe_nmt.corpus.sources.registry import Corpus
from moe_nmt.errors import UserError
from moe_nmt.files.progress import Progress
from moe_nmt.files.text import written_whole

CHUNK = 1 << 20  # bytes


def fetch(corpus: Corpus, folder: Path) -> Path:
    """The corpus's archive in a folder of archives, downloaded if it is not there, and checked."""
    path = folder / corpus.path
    if not path.exists():
        download(corpus.urls, path, corpus.checksum)  # checks it
    elif (objection := corpus.checksum.objection(path)) is not None:
        bad = path.with_name(f"{path.name}.bad")
        try:
            path.replace(bad)
            what = f"it is set aside as {bad}, run the same command again to download it"
        except OSError:
            what = "remove it"
        raise UserError(f"{path} {objection}: {what}")
    return path


def extract(archive: Path, outputs: Mapping[str, Path]) -> dict[str, int]:
    """Writes members of an archive, those that end in .gz decompressed, as it streams by.

    Returns their numbers of lines.  Stops where a member is missing or the archive ends too early.
    """
    lines: dict[str, int] = {}
    try:
        with (
            archive.open("rb") as raw,
            tarfile.open(fileobj=raw, mode="r|*") as tar,
            Progress(f"extracting {archive.name}", "MB", archive.stat().st_size, 1_000_000) as bar,
        ):
            for member in tar:
                name = str(PurePosixPath(member.name))  # without a leading ./
                if name not in outputs or name in lines:
                    continue
                file = tar.extractfile(member)
                if file is None:
                    raise UserError(f"{name} in {archive} is no file")
                with closing(file), written_whole(outputs[name]) as temporary:
                    lines[name] = copy(file, name, temporary, raw, bar)
                if len(lines) == len(outputs):
                    break
    except (tarfile.TarError, EOFError, zlib.error) as error:
        raise UserError(
            f"{archive} is not a whole archive ({error}): remove it and get it again"
        ) from error
    except OSError as error:
        raise UserError(f"cannot read {archive}: {error.strerror or error}") from error
    if missing := sorted(set(outputs) - set(lines)):
        raise UserError(f"{archive} has no member {', '.join(missing)}")
    return lines


def copy(file: IO[bytes], name: str, output: Path, raw: BinaryIO, progress: Progress) -> int:
    """Copies a member; returns its number of lines, an unended last one among them."""
    lines, last = 0, b"\n"
    source = cast(IO[bytes], gzip.GzipFile(fileobj=file)) if name.endswith(".gz") else file
    try:
        with output.open("wb") as written:
            while chunk := source.read(CHUNK):
                written.write(chunk)
                lines += chunk.count(b"\n")
                last = chunk[-1:]
                progress.add(raw.tell() - progress.done)
    except gzip.BadGzipFile as error:  # an OSError, but not of the writing
        raise tarfile.ReadError(str(error)) from error
    return lines + (last != b"\n")


def quoted_count(corpus: Corpus, lines: int) -> None:
    """Tells the user where a checked corpus has not as many pairs as are quoted for it."""
    if corpus.pairs not in (None, lines):
        print(
            f"moe_nmt: {corpus.name} has {lines} pairs while {corpus.pairs} are quoted; "
            "its checksum is right, so it is used",
            file=sys.stderr,
        )
