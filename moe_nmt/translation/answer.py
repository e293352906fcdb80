"""What every model's answer to a text has."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence
from typing import Any


class Answer(ABC):
    """A text and what a model makes of it, the best first.

    Args:
        source: the text, raw.
        source_pieces: its subwords.
        hypotheses: each with its ``text`` and ``score``.
    """

    source: str
    source_pieces: list[str]
    hypotheses: Sequence[Any]

    @property
    def text(self) -> str:
        """The best."""
        best: str = self.hypotheses[0].text
        return best

    @property
    def score(self) -> float:
        """Its score."""
        best: float = self.hypotheses[0].score
        return best

    def __str__(self) -> str:
        return self.text

    @abstractmethod
    def as_json(self) -> dict[str, Any]:
        """Plain values, without pieces and attention."""
