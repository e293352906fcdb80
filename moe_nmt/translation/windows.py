"""Reads lines as they come, from a file, a pipe or a keyboard, and writes them whole."""

from __future__ import annotations

import os
import select
import signal
import stat
from collections.abc import Iterator
from types import FrameType

from moe_nmt.errors import UserError
from moe_nmt.files.containers import compression, refuse_other_kinds

CHUNK = 1 << 20  # bytes
PROGRAMS = {".gz": "zcat", ".xz": "xzcat", ".bz2": "bzcat", ".zst": "zstdcat"}


def windows(descriptor: int, most: int) -> Iterator[list[bytes]]:
    """Lines without their \\n, as many as are there but no more than ``most`` at a time.

    Nobody waits for a line that is there already: neither at a keyboard nor behind a pipe.
    """
    lines: list[bytes] = []
    rest, is_first, is_over = bytearray(), True, False
    while lines or not is_over:
        wants_more = len(lines) < most and not is_over
        if wants_more and (not lines or select.select([descriptor], [], [], 0)[0]):
            chunk = read(descriptor)
            if is_first:
                refuse_compressed(chunk)
                refuse_other_kinds("the text", chunk)
            is_first, is_over = False, not chunk
            *ends, begun = chunk.split(b"\n")
            for end in ends:
                rest += end
                lines.append(bytes(rest))
                rest.clear()
            rest += begun
            if is_over and rest:
                lines.append(bytes(rest))
        elif lines:
            yield lines[:most]
            del lines[:most]


def read(descriptor: int) -> bytes:
    """What is there, as soon as something is."""
    try:
        return os.read(descriptor, CHUNK)
    except OSError as error:  # a folder, or open for writing alone
        raise UserError(f"cannot read the standard input: {error.strerror}") from error


def refuse_compressed(begin: bytes) -> None:
    """Stops where the first bytes are of a compressed file: a stream is taken as it comes."""
    if (suffix := compression(begin)) is not None:
        raise UserError(f"the text is compressed: pipe it through {PROGRAMS[suffix]}")


def lines_left(descriptor: int) -> int | None:
    """How many lines follow in a file; None in what is no file, where nobody knows."""
    if not stat.S_ISREG(os.fstat(descriptor).st_mode):
        return None
    place, lines = os.lseek(descriptor, 0, os.SEEK_CUR), 0
    while chunk := os.pread(descriptor, CHUNK, place):
        place += len(chunk)
        lines += chunk.count(b"\n")
    return lines


class WholeWrites:
    """Ends this process at SIGINT or SIGTERM, but not within a write.

    A second one ends it there too.  The exit status is 130 or 143, as if the signal had ended it.
    """

    def __init__(self) -> None:
        self.is_writing = False
        self.received = 0
        for number in (signal.SIGINT, signal.SIGTERM):
            if signal.getsignal(number) is not signal.SIG_IGN:  # as of a shell's background jobs
                signal.signal(number, self.stop)

    def stop(self, number: int, frame: FrameType | None) -> None:
        """The handler."""
        if not self.is_writing or self.received:
            raise SystemExit(128 + number)
        self.received = number

    def write(self, descriptor: int, text: bytes) -> None:
        """Writes it all.

        Raises:
            UserError: the disk is full, say.
            SystemExit: the other end of a pipe is closed, as head closes it, or a signal came.
        """
        self.is_writing = True
        try:
            while text:
                text = text[os.write(descriptor, text) :]
        except BrokenPipeError as error:
            raise SystemExit(128 + signal.SIGPIPE) from error
        except OSError as error:
            raise UserError(f"cannot write the translations: {error.strerror}") from error
        finally:
            self.is_writing = False
        if self.received:
            raise SystemExit(128 + self.received)
