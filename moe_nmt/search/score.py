"""GNMT's score (``evaluation.penalties`` has the formula) of the hypotheses of a search."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from moe_nmt.errors import LimitError
from moe_nmt.evaluation.penalties import coverage_logarithm, length_penalty


@dataclass(frozen=True)
class Score:
    """The formula for given weights; both are 0.2 in GNMT's models trained by likelihood alone."""

    alpha: float = 0.2
    beta: float = 0.2

    def __post_init__(self) -> None:
        for name, value in (("alpha", self.alpha), ("beta", self.beta)):
            if not 0 <= value < float("inf"):
                raise LimitError(name, f"must be at least 0 and finite, not {value}")

    def __call__(self, log_p: Tensor, length: int, coverage: Tensor, padding: Tensor) -> Tensor:
        """The score of finished hypotheses of equal length.

        Args:
            log_p: [hypotheses], log P(Y | X).
            length: |Y|.
            coverage: [hypotheses, source], the attention summed over the target.
            padding: [hypotheses, source] bool, True where there is no token.

        Returns:
            [hypotheses].
        """
        return self.normalised(log_p, length) + self.coverage_penalty(coverage, padding)

    def normalised(self, log_p: Tensor, length: int | Tensor) -> Tensor:
        """log P / lp, elementwise."""
        return log_p / length_penalty(length, self.alpha)

    def coverage_penalty(self, coverage: Tensor, padding: Tensor) -> Tensor:
        """cp: [..., source] -> [...]."""
        logs = coverage_logarithm(coverage.float(), torch.log).masked_fill(padding, 0.0)
        return self.beta * logs.sum(-1)

    def bound(self, log_p: Tensor, longest: Tensor) -> Tensor:
        """What no continuation of an unfinished hypothesis can exceed.

        log P only falls, lp only grows and cp is never positive.

        Args:
            log_p: [sentences, beam], so far.
            longest: [sentences, 1], the largest |Y| allowed.
        """
        return self.normalised(log_p, longest)
