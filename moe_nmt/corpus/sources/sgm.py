"""Text of WMT's test sets, which look like XML but are not: read by pattern, and counted.

The text is that of sacreBLEU, entities and all, so that scores agree with other people's.  Some
files have their ampersands escaped and some do not: ``is_escaped`` decides by counting.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path

from moe_nmt.errors import UserError
from moe_nmt.files.text import read_text, readable

# sgm of 2014 and before, and the XML of 2021 and after.
BEGIN = re.compile(
    rb"(?:\xef\xbb\xbf)?\s*(?:<[?!][^>]*>\s*)*<(?:srcset|refset|tstset|mteval|dataset)\b",
    re.IGNORECASE,
)
MOST_PREAMBLE = 4096  # bytes
TEXTS = re.compile(r"<(?:src|ref|hyp)\b[^>]*>")
OPENING = re.compile(r"<seg\b", re.IGNORECASE)
SEGMENT = re.compile(r"<seg\b[^>]*>(.*?)</seg>", re.IGNORECASE | re.DOTALL)
ENTITY = re.compile(r"&(?:amp|lt|gt|quot|apos|#\d+|#x[0-9a-fA-F]+);")


@dataclass(frozen=True)
class Segments:
    """The sentences of a file, white space collapsed as sacreBLEU does."""

    sentences: list[str]
    entities: int
    bare_ampersands: int

    @property
    def is_escaped(self) -> bool:
        """Whether entities stand for characters: no ampersand stands for itself."""
        return self.entities > 0 and self.bare_ampersands == 0


def is_test_set(path: Path) -> bool:
    """Whether a file is one of WMT's test sets, by what it begins with."""
    with readable(path) as file:
        return BEGIN.match(file.read(MOST_PREAMBLE)) is not None


def sentences_of(path: Path) -> list[str]:
    """The sentences of a text, a line each, or of a test set of WMT's."""
    return read_segments(path).sentences if is_test_set(path) else list(read_text(path))


def read_segments(path: Path) -> Segments:
    """Reads a file of WMT's test sets."""
    with readable(path) as file:
        data = file.read()
    try:
        text = data.decode("utf-8")
    except UnicodeDecodeError as error:
        raise UserError(f"{path} is not UTF-8: get it again") from error
    refuse_several(path, text)
    found = [" ".join(segment.split()) for segment in SEGMENT.findall(text)]
    if len(found) != len(OPENING.findall(text)) or not found:
        raise UserError(
            f"{path} has {len(OPENING.findall(text))} segments of which {len(found)} "
            "have an end: get it again"
        )
    joined = "\n".join(found)
    entities = len(ENTITY.findall(joined))
    return Segments(found, entities, joined.count("&") - entities)


def refuse_several(path: Path, text: str) -> None:
    """Stops at a file with more than one version of its sentences, as XML may have them."""
    versions = dict.fromkeys(TEXTS.findall(text))
    if len(versions) > 1:
        raise UserError(
            f"{path} holds several texts ({', '.join(versions)}): write the one that is wanted "
            "to a file of its own, a sentence a line"
        )
