"""How long a sentence is, in words, in scripts with and without spaces between them."""

from __future__ import annotations

import re

# Scripts that write words without spaces, and about how many of their characters one English word
# becomes: Han and kana 2; Thai, Lao, Tibetan, Burmese and Khmer, vowel signs counted, 5.
DENSE = re.compile("[\u3040-\u30ff\u3400-\u4dbf\u4e00-\u9fff\uf900-\ufaff\U00020000-\U0003ffff]")
LETTERED = re.compile("[\u0e00-\u109f\u1780-\u17ff]")
OF_DENSE, OF_LETTERED = 2, 5
EITHER = re.compile(f"{DENSE.pattern}|{LETTERED.pattern}")


def words(sentence: str) -> int:
    """What stands between single spaces, and what characters without spaces would be in words."""
    count = sentence.count(" ") + 1
    if sentence.isascii() or not EITHER.search(sentence):  # most sentences
        return count
    return (
        count
        + len(DENSE.findall(sentence)) // OF_DENSE
        + len(LETTERED.findall(sentence)) // OF_LETTERED
    )
