"""How a model searches unless it is told otherwise: a part of its folder."""

from __future__ import annotations

import math
from dataclasses import asdict, dataclass, fields
from typing import Any

from moe_nmt.errors import LimitError
from moe_nmt.search import Score, SearchConfig, SearchOptions
from moe_nmt.search.generator import LengthLimit

GNMT = SearchConfig()
KINDS: dict[type, tuple[type, ...]] = {int: (int,), float: (int, float)}
MOST_A, MOST_B = 1000, 1_000_000  # so that no length is beyond int64
WEIGHTS = {"alpha": "length_penalty_alpha", "beta": "coverage_penalty_beta"}


@dataclass(frozen=True)
class SearchSettings:
    """GNMT's values; the greatest length of a translation of x subwords is a x + b."""

    beam: int = 5
    length_penalty_alpha: float = GNMT.length_penalty_alpha
    coverage_penalty_beta: float = GNMT.coverage_penalty_beta
    token_pruning: float = GNMT.token_pruning
    hypothesis_pruning: float = GNMT.hypothesis_pruning
    max_len_a: float = 2.0
    max_len_b: int = 50

    def __post_init__(self) -> None:
        for field in fields(self):
            value = getattr(self, field.name)
            if isinstance(value, bool) or not isinstance(value, KINDS[type(field.default)]):
                kind = "whole number" if isinstance(field.default, int) else "number"
                raise TypeError(f"{field.name} must be a {kind}, not {value!r}")
        self.options(), self.limit()  # which raise LimitError

    def options(self, nbest: int = 1) -> SearchOptions:
        """What the search takes.

        Raises:
            LimitError: a value is outside its limits.
        """
        try:
            score = Score(self.length_penalty_alpha, self.coverage_penalty_beta)
        except LimitError as error:
            raise LimitError(WEIGHTS[error.name], error.limits) from error
        options = SearchOptions(
            beam=self.beam,
            nbest=nbest,
            score=score,
            token_pruning=self.token_pruning,
            hypothesis_pruning=self.hypothesis_pruning,
        )
        if nbest > self.beam:
            raise LimitError("nbest", f"must be at most the beam, {self.beam}, not {nbest}")
        return options

    def limit(self) -> LengthLimit:
        """Of the length.

        Raises:
            LimitError: a sentence could have no translation.
        """
        for name, least, most in (("max_len_a", 0, MOST_A), ("max_len_b", 1, MOST_B)):
            if not least <= (value := getattr(self, name)) <= most:
                raise LimitError(name, f"must be from {least} to {most}, not {value}")
        return LengthLimit(self.max_len_a, self.max_len_b)

    def as_json(self) -> dict[str, Any]:
        """Plain values; JSON has no infinity, so it is "inf"."""
        return {name: "inf" if value == math.inf else value for name, value in asdict(self).items()}

    @classmethod
    def of_json(cls, values: dict[str, Any]) -> SearchSettings:
        """The settings of a folder.

        Raises:
            TypeError, ValueError: they are not of this format, or outside their limits.
        """
        plain: dict[str, Any] = {
            name: math.inf if value == "inf" else value for name, value in values.items()
        }
        return cls(**plain)
