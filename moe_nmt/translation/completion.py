"""What a language model makes of a prompt."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from moe_nmt.translation.answer import Answer


@dataclass(frozen=True)
class Continuation:
    """One way to go on.

    Args:
        text: the prompt and what follows, raw.
        score: log P of all of it over a power of its length; the greater, the better.
        pieces: the subwords that follow.
    """

    text: str
    score: float
    pieces: list[str]


@dataclass(frozen=True)
class Completion(Answer):
    """A prompt and its continuations, the best first."""

    source: str
    source_pieces: list[str]
    hypotheses: list[Continuation]

    def as_json(self) -> dict[str, Any]:
        """See ``Answer``."""
        return {
            "source": self.source,
            "hypotheses": [{"text": h.text, "score": h.score} for h in self.hypotheses],
        }
