"""What a beam search chose: nothing is copied when beams are reordered, the end is traced back."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import NamedTuple

import torch
from torch import Tensor


class Hypothesis(NamedTuple):
    """A finished translation."""

    tokens: Tensor  # [target] int64, the end of sentence last
    log_p: Tensor  # [target] float32, of each token; they add up to log P(Y | X)
    attention: Tensor  # [target, source] float32, of each token; zero on padding
    score: Tensor  # [] float32


class Ends(NamedTuple):
    """Hypotheses that ended."""

    step: Tensor  # [ends] int64, at which
    sentence: Tensor  # [ends] int64, in the whole batch
    row: Tensor  # [ends] int64, among the hypotheses before the step
    token: Tensor  # [ends] int64, the last one
    log_p: Tensor  # [ends], of the last token
    score: Tensor  # [ends]


class Choices(NamedTuple):
    """The hypotheses after one step: which they continue, and how."""

    row: Tensor  # [hypotheses] int64, among those before the step
    token: Tensor  # [hypotheses] int64
    log_p: Tensor  # [hypotheses], of the token


@dataclass
class History:
    """All steps of a search, in order."""

    attention: list[Tensor] = field(default_factory=list)  # [hypotheses before, source] each
    choices: list[Choices] = field(default_factory=list)
    ends: list[Ends] = field(default_factory=list)

    def best(self, sentences: int, count: int) -> list[list[Hypothesis]]:
        """The ``count`` best hypotheses of each of so many sentences, the best first."""
        ends = Ends(*(torch.cat(tensors) for tensors in zip(*self.ends, strict=True)))
        order = ends.score.argsort(descending=True, stable=True)
        found: list[list[int]] = [[] for _ in range(sentences)]
        for index, sentence in zip(order.tolist(), ends.sentence[order].tolist(), strict=True):
            if len(found[sentence]) < count:
                found[sentence].append(index)
        chosen = torch.tensor([i for indices in found for i in indices], device=order.device)
        traced = iter(self.trace(Ends(*(tensor[chosen] for tensor in ends))))
        return [[next(traced) for _ in indices] for indices in found]

    def trace(self, ends: Ends) -> list[Hypothesis]:
        """Follows hypotheses back from their ends to the beginning."""
        steps = int(ends.step.max()) + 1
        tokens = ends.token[:, None].repeat(1, steps)
        log_p = ends.log_p[:, None].repeat(1, steps)
        attention = log_p.new_zeros(*tokens.shape, self.attention[0].size(1))
        row = ends.row
        for step in reversed(range(steps)):
            longer = (ends.step >= step).nonzero()[:, 0]  # those that have a token at this step
            at = row[longer]
            attention[longer, step] = self.attention[step][at]
            if step > 0:
                before = self.choices[step - 1]
                tokens[longer, step - 1] = before.token[at]
                log_p[longer, step - 1] = before.log_p[at]
                row = row.index_copy(0, longer, before.row[at])
        return [
            Hypothesis(tokens[i, :length], log_p[i, :length], attention[i, :length], ends.score[i])
            for i, length in enumerate((ends.step + 1).tolist())
        ]
