"""GNMT's score of a translation Y of the sentence X (Wu et al. 2016, section 7):

    score(Y, X) = log P(Y | X) / lp(Y) + cp(X, Y)
    lp(Y)       = ((5 + |Y|) / 6)^alpha
    cp(X, Y)    = beta * sum_i log(min(sum_j p_ij, 1))

p_ij is the attention of target token j on source token i.  |Y| and j count every token that log P
has a factor for: the subwords and the end of sentence.  i counts every token that the encoder
reads, the end of sentence among them, and no padding.  Logarithms are natural.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor


@dataclass(frozen=True)
class Score:
    """The formula for given weights; both are 0.2 in GNMT's models trained by likelihood alone."""

    alpha: float = 0.2
    beta: float = 0.2

    def __post_init__(self) -> None:
        for name, value in (("alpha", self.alpha), ("beta", self.beta)):
            if not 0 <= value < float("inf"):
                raise ValueError(f"{name} must be at least 0 and finite, not {value}")

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
        return log_p / ((5.0 + length) / 6.0) ** self.alpha

    def coverage_penalty(self, coverage: Tensor, padding: Tensor) -> Tensor:
        """cp: [..., source] -> [...]; a token without any attention counts as the least float32."""
        tiny = torch.finfo(torch.float32).tiny
        logs = coverage.float().clamp(tiny, 1.0).log().masked_fill(padding, 0.0)
        return self.beta * logs.sum(-1)

    def bound(self, log_p: Tensor, longest: Tensor) -> Tensor:
        """What no continuation of an unfinished hypothesis can exceed.

        log P only falls, lp only grows and cp is never positive.

        Args:
            log_p: [sentences, beam], so far.
            longest: [sentences, 1], the largest |Y| allowed.
        """
        return self.normalised(log_p, longest)
