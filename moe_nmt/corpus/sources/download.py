"""Downloads a file: resumed and tried again after a failure, and in its place only when right.

What has come so far lies in PATH.part, and is the start of the next attempt, also of another run.
A file of the wrong size or checksum is set aside as PATH.bad.
"""

from __future__ import annotations

import fcntl
import hashlib
import http.client
import os
import re
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO, cast
from urllib.parse import urlsplit

from moe_nmt.errors import UserError
from moe_nmt.files.progress import Progress

ATTEMPTS = 4  # without getting further than before
FIRST_WAIT = 1.0  # seconds, doubled after every failure
TIMEOUT = 60.0  # seconds without a byte
CHUNK = 1 << 18  # bytes
REQUEST_TIMEOUT, RANGE_NOT_SATISFIABLE, TOO_MANY_REQUESTS = 408, 416, 429
PARTIAL = 206


@dataclass(frozen=True)
class Checksum:
    """What a file must be: its hash, by an algorithm of hashlib, and its size if that is known."""

    algorithm: str
    digest: str
    size: int | None = None

    def objection(self, path: Path) -> str | None:
        """Why a file is not the published one; None if it is."""
        if self.size is not None and path.stat().st_size != self.size:
            return f"has {path.stat().st_size} bytes, not {self.size}"
        with path.open("rb") as file:
            digest = hashlib.file_digest(file, self.algorithm).hexdigest()
        if digest != self.digest:
            return f"is not the published file: its {self.algorithm} is {digest}, not {self.digest}"
        return None


class DownloadError(Exception):
    """Why an attempt failed, and whether another one is of no use."""

    def __init__(self, reason: str, is_final: bool = False) -> None:
        super().__init__(reason)
        self.is_final = is_final


def download(urls: Sequence[str], path: Path, checksum: Checksum | None = None) -> None:
    """Downloads a file to ``path`` from the first of its addresses that gives the right one.

    Without a checksum nothing is resumed from an earlier run: it may be of another version.
    """
    part = path.with_name(f"{path.name}.part")
    failures = []
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        if checksum is None:
            part.unlink(missing_ok=True)
        for url in urls:
            try:
                objection = attempt(url, part, path, checksum)
            except DownloadError as failure:
                objection = f"cannot download {url}: {failure}"
            if objection is None:
                part.replace(path)
                return
            failures.append(objection)
        if checksum is None:
            part.unlink(missing_ok=True)
    except OSError as error:
        raise UserError(f"cannot write {path}: {error.strerror or error}") from error
    raise UserError(
        f"{'; '.join(failures)}; check the connection, or put the file at {path} yourself"
    )


def attempt(url: str, part: Path, path: Path, checksum: Checksum | None) -> str | None:
    """Completes ``part`` from one address; returns why it is not right, with it set aside."""
    is_resumed = part.exists() and part.stat().st_size > 0
    complete(url, part, checksum)
    objection = checksum.objection(part) if checksum else None
    if objection is None:
        return None
    bad = path.with_name(f"{path.name}.bad")
    part.replace(bad)
    if is_resumed:  # its beginning may have been of another file
        print(f"{bad} {objection}; downloading it from the beginning", file=sys.stderr, flush=True)
        return attempt(url, part, path, checksum)
    return f"what came from {url} {objection}: it is set aside as {bad}"


def complete(url: str, part: Path, checksum: Checksum | None) -> None:
    """Downloads what is missing of a file, with several attempts."""
    size = checksum.size if checksum else None
    with part.open("ab") as file:
        try:
            fcntl.lockf(file, fcntl.LOCK_EX | fcntl.LOCK_NB)  # ends with the process
        except OSError as error:
            raise UserError(f"another run is downloading {part}: wait for its end") from error
        furthest, failures = file.tell(), 0
        while size is None or file.tell() != size:
            try:
                receive(url, file, size)
                break
            except DownloadError as failure:
                if file.tell() > furthest:
                    furthest, failures = file.tell(), 0
                failures += 1
                if failure.is_final or failures == ATTEMPTS:
                    raise
                wait = FIRST_WAIT * 2 ** (failures - 1)
                print(f"{url}: {failure}; trying again in {wait:g} s", file=sys.stderr, flush=True)
                time.sleep(wait)
        os.fsync(file.fileno())


def receive(url: str, file: BinaryIO, size: int | None) -> None:
    """One attempt: appends what is missing to ``file``, or all where a server has no ranges."""
    begin = file.tell()
    with request(url, begin) as answer:
        if answer.status == RANGE_NOT_SATISFIABLE:
            empty(file)
            raise DownloadError("the server has less than what came before")
        first, total = offered(answer)
        if first != begin:
            empty(file)
        if first not in (0, begin):
            raise DownloadError("the server sent another part of the file")
        if None not in (size, total) and total != size:
            raise DownloadError(f"the server offers {total} bytes, not {size}", is_final=True)
        name = Path(urlsplit(url).path).name
        with Progress(f"downloading {name}", "MB", total, 1_000_000, file.tell()) as progress:
            while chunk := read(answer):
                file.write(chunk)
                progress.add(len(chunk))
    # The end of a cut connection looks like the end of the file.
    if total is not None and file.tell() != total:
        raise DownloadError(f"only {file.tell()} of {total} bytes came")


def request(url: str, begin: int) -> http.client.HTTPResponse:
    """Asks for a file from its byte ``begin`` on."""
    try:
        headers = {"Range": f"bytes={begin}-"} if begin else {}
        asked = urllib.request.Request(url, headers=headers)
        answer: http.client.HTTPResponse = urllib.request.urlopen(asked, timeout=TIMEOUT)
    except urllib.error.HTTPError as error:
        if error.code == RANGE_NOT_SATISFIABLE and begin:
            return cast(http.client.HTTPResponse, error)
        refused = 400 <= error.code < 500 and error.code not in (REQUEST_TIMEOUT, TOO_MANY_REQUESTS)
        raise DownloadError(f"the server answered {error.code} {error.reason}", refused) from error
    except urllib.error.URLError as error:
        raise DownloadError(str(error.reason)) from error
    except ValueError as error:
        raise DownloadError("that is no address", is_final=True) from error
    except (http.client.HTTPException, OSError) as error:
        raise DownloadError(f"the connection broke ({type(error).__name__})") from error
    return answer


def read(answer: http.client.HTTPResponse) -> bytes:
    """The next bytes; apart from their writing, so that each one's errors are told apart."""
    try:
        return answer.read(CHUNK)
    except (http.client.HTTPException, OSError) as error:
        raise DownloadError(f"the connection broke ({type(error).__name__})") from error


def empty(file: BinaryIO) -> None:
    """Starts a file over."""
    file.truncate(0)
    file.seek(0)


def offered(answer: http.client.HTTPResponse) -> tuple[int, int | None]:
    """The first byte that a server sends, and the size of the whole file if it says so."""
    if answer.status == PARTIAL:
        match = re.fullmatch(r"bytes (\d+)-\d+/(\d+|\*)", answer.headers["Content-Range"] or "")
        if match is None:
            raise DownloadError("the server does not say which part of the file it sends")
        return int(match[1]), None if match[2] == "*" else int(match[2])
    length = answer.headers["Content-Length"]
    return 0, None if length is None else int(length)
