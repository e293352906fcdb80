"""From words to text, where the three languages agree."""

from __future__ import annotations

_CLOSING = (",", ".", "?")


def join(words: list[str], end: str) -> str:
    """Join words to a sentence: one capital, no empty words, no two punctuation marks in a row."""
    text = ""
    for word in [*words, end]:
        if not word:
            continue
        if word in _CLOSING:
            text = text.rstrip(",") + word
        else:
            text = f"{text} {word}" if text and not text.endswith("'") else f"{text}{word}"
    return text[0].upper() + text[1:]
