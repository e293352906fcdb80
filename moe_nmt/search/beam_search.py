"""The search itself: a beam of hypotheses for every sentence of a batch (Wu et al., section 7).

Hypotheses of equal length compete by log P.  A continuation that ends the sentence is finished and
gets its score where it is among the best ``beam``; the best ``beam`` of the others go on, but those

- whose last token is less likely than another after the same hypothesis, by more than
  ``token_pruning``;
- whose log P / lp at their present length is below the best score of a finished one, by more than
  ``hypothesis_pruning``;
- whose every end would score below the n best that are finished (``Score.bound``).

At its greatest length a hypothesis has to end; it gets its score like any other.
"""

from __future__ import annotations

import itertools
import math
from dataclasses import dataclass, field, replace
from typing import NamedTuple

import torch
from torch import Tensor

from moe_nmt.errors import LimitError
from moe_nmt.search.beam import Beam
from moe_nmt.search.candidates import Candidates, best_candidates
from moe_nmt.search.ensemble import Ensemble
from moe_nmt.search.history import Choices, Ends, History, Hypothesis
from moe_nmt.search.score import Score


@dataclass(frozen=True)
class Words:
    """The tokens with a part of their own in the search."""

    pad: int
    end: int
    unknown: int


@dataclass(frozen=True)
class SearchOptions:
    """What is searched for, and how hard."""

    beam: int = 5
    nbest: int = 1
    score: Score = field(default_factory=Score)
    token_pruning: float = math.inf
    hypothesis_pruning: float = math.inf
    min_length: int = 1  # without the end of sentence
    unknown_penalty: float = 0.0  # taken off log P for every unknown word

    def __post_init__(self) -> None:
        for name in ("beam", "nbest"):
            if getattr(self, name) < 1:
                raise LimitError(name, f"must be at least 1, not {getattr(self, name)}")
        for name in ("token_pruning", "hypothesis_pruning"):
            if not getattr(self, name) >= 0:
                raise LimitError(name, f"must be at least 0, not {getattr(self, name)}")
        if not 0 <= self.unknown_penalty < math.inf:
            raise LimitError(
                "unknown_penalty", f"must be at least 0 and finite, not {self.unknown_penalty}"
            )


class Forced(NamedTuple):
    """Sentences that can go on in one way alone."""

    sentence: Tensor  # [sentences] int64
    token: Tensor  # [sentences] int64, how


class BeamSearch:
    """Finds the best translations."""

    def __init__(self, options: SearchOptions, words: Words) -> None:
        self.options = options
        self.words = words

    def __call__(self, models: Ensemble, beam: Beam) -> list[list[Hypothesis]]:
        """Translates a batch.

        Args:
            models: at the beginning of the sentences.
            beam: from ``Beam.start``.

        Returns:
            For every sentence up to n best hypotheses, the best first.

        Raises:
            FloatingPointError: the models compute nan.
        """
        sentences = beam.sentence.numel()
        history = History()
        for step in itertools.count():
            log_p, attention = models.step(beam.token)
            if bool(log_p[:, :, self.words.end].isnan().any()):
                raise FloatingPointError("the model computes nan")
            history.attention.append(attention.flatten(0, 1))
            beam = replace(beam, coverage=beam.coverage + attention)
            self.restrict(log_p, beam, step)
            candidates = best_candidates(
                log_p, beam.total, 2 * self.options.beam, self.options.token_pruning
            )
            beam = self.finish(beam, candidates, step, history)
            chosen = self.survivors(beam, candidates, step, bool(history.ends))
            left = chosen.total.gt(-math.inf).sum(1).tolist()  # of each sentence
            if not any(left):
                break
            chosen = Candidates(*(tensor[:, : max(left)] for tensor in chosen))
            row, stay = beam.row(chosen.slot), None
            if not all(left):
                stay = torch.tensor(left, device=row.device).nonzero()[:, 0]
                chosen, row = Candidates(*(tensor[stay] for tensor in chosen)), row[stay]
            models.follow(row.flatten(), stay)
            beam = beam.advance(chosen, row, stay, self.words.pad)
            history.choices.append(self.choices(row, chosen))
        return history.best(sentences, self.options.nbest)

    def restrict(self, log_p: Tensor, beam: Beam, step: int) -> None:
        """Takes away what may not follow: log_p [sentences, beam, words], changed in place."""
        pad, end, unknown = self.words.pad, self.words.end, self.words.unknown
        if self.options.unknown_penalty:
            log_p[:, :, unknown] -= self.options.unknown_penalty
        forced = self.forced(beam, step)
        if forced is not None:
            only = log_p[forced.sentence, :, forced.token]  # [such sentences, beam]
        log_p[:, :, pad] = -math.inf
        if step < self.options.min_length:
            log_p[:, :, end] = -math.inf
        if forced is not None:
            log_p[forced.sentence] = -math.inf
            log_p[forced.sentence, :, forced.token] = only

    def forced(self, beam: Beam, step: int) -> Forced | None:
        """The sentences in a prefix or at their greatest length; None where none can be."""
        if step >= beam.prefix.size(1) and step < beam.least_limit:
            return None
        token = torch.full_like(beam.sentence, self.words.pad)
        if step < beam.prefix.size(1):
            token = beam.prefix[:, step]
        token = token.masked_fill(beam.limit[:, 0] <= step, self.words.end)
        sentence = token.ne(self.words.pad).nonzero()[:, 0]
        return Forced(sentence, token[sentence])

    def finish(self, beam: Beam, candidates: Candidates, step: int, history: History) -> Beam:
        """Gives the candidates that end their scores, and notes them."""
        is_end = candidates.token.eq(self.words.end) & candidates.total.gt(-math.inf)
        is_end[:, self.options.beam :] = False
        sentence, rank = is_end.nonzero(as_tuple=True)  # [ends] each
        if not sentence.numel():
            return beam
        slot = candidates.slot[sentence, rank]
        score = self.options.score(
            candidates.total[sentence, rank],
            step + 1,
            beam.coverage[sentence, slot],
            beam.padding[sentence],
        )
        ends = Ends(
            step=torch.full_like(sentence, step),
            sentence=beam.sentence[sentence],
            row=beam.row(candidates.slot)[sentence, rank],
            token=candidates.token[sentence, rank],
            log_p=candidates.log_p[sentence, rank],
            score=score,
        )
        scores = torch.full_like(candidates.total, -math.inf)
        scores[sentence, rank] = score
        history.ends.append(ends)
        best = torch.cat([beam.best, scores], dim=1).topk(self.options.nbest).values
        return replace(beam, best=best)

    def survivors(
        self, beam: Beam, candidates: Candidates, step: int, finished: bool
    ) -> Candidates:
        """The candidates that go on, the best first; ``finished``: there are some to beat."""
        total = candidates.total.masked_fill(candidates.token.eq(self.words.end), -math.inf)
        total, order = total.topk(min(self.options.beam, total.size(1)))
        if finished:
            present = self.options.score.normalised(total, step + 1)
            lost = present < beam.best[:, :1] - self.options.hypothesis_pruning
            lost |= self.options.score.bound(total, beam.limit + 1) <= beam.best[:, -1:]
            total = total.masked_fill(lost, -math.inf)
        return candidates.select(order)._replace(total=total)

    def choices(self, row: Tensor, chosen: Candidates) -> Choices:
        """What the history keeps of the survivors: row [new sentences, new beam] int64."""
        row, token, log_p = (t.flatten() for t in (row, chosen.token, chosen.log_p))
        if self.options.unknown_penalty:
            log_p = log_p + self.options.unknown_penalty * token.eq(self.words.unknown)
        return Choices(row, token, log_p)
