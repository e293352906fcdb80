"""A user's mistake, and how a command tells of it.

The library raises ``UserError``.  Two doors turn it into a sentence and an exit status: the
``main`` of each of our commands, and what ``training/hooks.py`` puts round those of fairseq's.
"""

from __future__ import annotations

import os
import signal
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType


class UserError(Exception):
    """What is wrong, where, and what mends it, in one sentence."""


def first_line(error: BaseException) -> str:
    """What a library says of an error, without the lines for its developers."""
    return str(error).strip().partition("\n")[0].rstrip(": ") or "no reason given"


def reason_of(error: Exception) -> str:
    """What the system says of an error, or else the error itself."""
    return getattr(error, "strerror", None) or str(error)


class LimitError(ValueError):
    """A value outside its limits.

    Args:
        name: of the field that has the value.
        limits: what it has to be, as in "must be at least 1, not 0".
    """

    def __init__(self, name: str, limits: str) -> None:
        super().__init__(f"{name} {limits}")
        self.name = name
        self.limits = limits


@contextmanager
def ending_in_a_sentence() -> Iterator[None]:
    """Ends the process with a user's mistake as its last words, and status 1.

    Ctrl-C ends it without words, and with the status of what the signal ends; so does whoever reads
    its output and goes; SIGTERM leaves nothing half written either.
    """
    if sys.stdout is None:  # as by >&-: what is printed would be lost in silence
        raise SystemExit("moe_nmt: the standard output is closed: send it to a file or /dev/null")
    try:
        with cleaning_up_at_sigterm():
            yield
        sys.stdout.flush()
    except BrokenPipeError:
        # what is left in the buffer has nobody to go to, either
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        raise SystemExit(128 + signal.SIGPIPE) from None
    except KeyboardInterrupt:
        raise SystemExit(128 + signal.SIGINT) from None
    except UserError as error:
        raise SystemExit(f"moe_nmt: {error}") from error


@contextmanager
def cleaning_up_at_sigterm() -> Iterator[None]:
    """SIGTERM ends the process as an exception does, unless somebody else has taken it."""

    def terminate(number: int, _: FrameType | None) -> None:
        signal.signal(number, signal.SIG_IGN)  # once is enough
        raise SystemExit(128 + number)

    is_main = threading.current_thread() is threading.main_thread()  # signals reach no other
    if not is_main or signal.getsignal(signal.SIGTERM) is not signal.SIG_DFL:
        yield
        return
    signal.signal(signal.SIGTERM, terminate)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, signal.SIG_DFL)
