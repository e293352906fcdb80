"""Cuts long lines where sentences end, as models are trained on single sentences."""

from __future__ import annotations

import re
from collections.abc import Callable

# Between sentences: after a full stop and what closes with it.  A space follows where the script
# has spaces; after the full stops of Chinese and Japanese there is none.
BETWEEN = re.compile(
    r"""(?<=[.!?…؟۔।॥።။។])(?:["'”’»)\]]*)\s+|(?<=[。！？])(?![”’」』）。！？])|(?<=[。！？][”’」』）])"""
)
SPACELESS_ENDS = tuple("。！？」』）")


def sentences(text: str) -> list[str]:
    """The sentences of a line, nothing lost but the space between them.

    ``Dr. No came.`` has two: this is for lines too long for a model, of which it makes some.
    """
    found, begin = [], 0
    for between in BETWEEN.finditer(text):
        found.append(text[begin : between.end()].strip())
        begin = between.end()
    found.append(text[begin:].strip())
    return [sentence for sentence in found if sentence]


def split(text: str, length: Callable[[str], int], most: int) -> list[str]:
    """Parts of a line of up to ``most`` in length where its sentences allow it, as few as can be.

    A sentence that is longer alone stays whole.
    """
    parts: list[str] = []
    room = 0
    for sentence in sentences(text):
        needed = length(sentence)
        if parts and needed <= room:
            parts[-1] = join([parts[-1], sentence])
        else:
            parts.append(sentence)
            room = most
        room -= needed
    return parts


def join(parts: list[str]) -> str:
    """One line again."""
    line = ""
    for part in parts:
        line += part if not line or line.endswith(SPACELESS_ENDS) else f" {part}"
    return line
