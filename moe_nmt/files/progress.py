"""Shows how far long work is: a line that renews itself on a terminal, seldom lines in a log."""

from __future__ import annotations

import sys
import time
from types import TracebackType
from typing import Self

ON_TERMINAL, IN_LOG = 0.2, 30.0  # seconds between two reports


class Progress:
    """Counts units of work, in a ``with`` block.

    ``total`` is None where it is not known; ``scale`` units make one of those that are shown.
    """

    def __init__(
        self, what: str, unit: str, total: int | None = None, scale: int = 1, done: int = 0
    ) -> None:
        self.what, self.unit, self.total, self.scale = what, unit, total, scale
        self.first = self.done = done
        self.is_terminal = sys.stderr.isatty()
        self.begin = self.last = time.monotonic()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if self.is_terminal:
            sys.stderr.write("\r\033[K")
            sys.stderr.flush()

    def add(self, count: int) -> None:
        """Counts work that was done, and says so now and then."""
        self.done += count
        now = time.monotonic()
        if now - self.last >= (ON_TERMINAL if self.is_terminal else IN_LOG):
            self.last = now
            begin, end = ("\r", "\033[K") if self.is_terminal else ("", "\n")
            sys.stderr.write(f"{begin}{self.line(now - self.begin)}{end}")
            sys.stderr.flush()

    def line(self, seconds: float) -> str:
        """What is shown."""
        rate = (self.done - self.first) / max(seconds, 1e-9)
        text = f"{self.what}: {self.done / self.scale:,.0f}"
        if self.total:
            text += f" of {self.total / self.scale:,.0f}"
        text += f" {self.unit}, {rate / self.scale:,.1f} {self.unit}/s"
        if self.total:
            bar = "=" * min(20, int(20 * self.done / self.total))
            text += f" [{bar:20}] {max(self.total - self.done, 0) / max(rate, 1e-9):,.0f} s left"
        return text
