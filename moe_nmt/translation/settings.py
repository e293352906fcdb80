"""How a model searches unless it is told otherwise: a part of its folder."""

from __future__ import annotations

import math
from dataclasses import asdict, dataclass, fields
from typing import Any

from moe_nmt.errors import LimitError
from moe_nmt.search import Score, SearchConfig, SearchOptions
from moe_nmt.search.generator import LengthLimit

GNMT = SearchConfig()
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
        if not 0 <= self.max_len_a < math.inf:
            raise LimitError("max_len_a", f"must be at least 0 and finite, not {self.max_len_a}")
        if self.max_len_b < 1:
            raise LimitError("max_len_b", f"must be at least 1, not {self.max_len_b}")
        return LengthLimit(self.max_len_a, self.max_len_b)

    def as_json(self) -> dict[str, Any]:
        """Plain values; JSON has no infinity, so it is "inf"."""
        return {name: "inf" if value == math.inf else value for name, value in asdict(self).items()}

    @classmethod
    def of_json(cls, values: dict[str, Any]) -> SearchSettings:
        """The settings of a folder.

        Raises:
            TypeError, ValueError: they are not of this format.
        """
        kinds: dict[str, type] = {field.name: type(field.default) for field in fields(cls)}
        return cls(**{name: kinds.get(name, str)(value) for name, value in values.items()})
