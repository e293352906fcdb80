"""Makes text safe for tools that disagree about white space; its words stay as they are.

References are never normalised: scores compare with the text as published.
"""

from __future__ import annotations

import re
import unicodedata
from pathlib import Path

from moe_nmt.files.text import check_same_count, read_text, write_lines

WORD_START = "\u2581"  # stands for the space in files of subwords
# Control characters that are no white space, byte order mark, zero-width space, soft hyphen.
UNSEEN = re.compile("[\x00-\x08\x0e-\x1b\x7f-\x84\x86-\x9f\ufeff\u200b\u00ad]")


def normalise(sentence: str) -> str:
    """One sentence in NFC with single plain spaces and nothing invisible.

    - What Python takes for white space becomes a space, and a run of them one: tabs, the odd line
      separators CR, VT, FF, FS to US, U+0085, U+2028 and U+2029, the no-break and typographic
      spaces.  fairseq would split words there.
    - Other control characters go, and with them the byte order mark and its like.
    - U+2581, which subwords use for the space, becomes an underscore.

    Doing it twice changes nothing.
    """
    text = sentence.replace(WORD_START, "_")
    if not text.isprintable():  # which all of UNSEEN are not, and few sentences; it is faster
        text = UNSEEN.sub("", text)
    return " ".join(unicodedata.normalize("NFC", text).split())


def normalise_parallel(sources: list[Path], outputs: list[Path]) -> int:
    """Normalises files that are translations of each other; returns their number of lines."""
    expected = check_same_count(
        sources, "they are no translation of each other line by line; get them again"
    )
    for source, output in zip(sources, outputs, strict=True):
        write_lines(output, map(normalise, read_text(source)))
        check_same_count([source, output], "normalising lost lines; is the disk full?")
    return expected
