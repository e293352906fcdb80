"""What a language model makes of a prompt."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any


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
class Completion:
    """A prompt and its continuations, the best first."""

    source: str
    source_pieces: list[str]
    hypotheses: list[Continuation]

    @property
    def text(self) -> str:
        """The best, or the only one that was drawn."""
        return self.hypotheses[0].text

    @property
    def score(self) -> float:
        """Its score."""
        return self.hypotheses[0].score

    def __str__(self) -> str:
        return self.text

    def as_json(self) -> dict[str, Any]:
        """Plain values, without pieces."""
        return {
            "source": self.source,
            "hypotheses": [{"text": h.text, "score": h.score} for h in self.hypotheses],
        }
