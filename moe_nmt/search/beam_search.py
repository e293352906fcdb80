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

import torch
from torch import Tensor

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
                raise ValueError(f"{name} must be at least 1, not {getattr(self, name)}")
        for name in ("token_pruning", "hypothesis_pruning", "unknown_penalty"):
            if not getattr(self, name) >= 0:
                raise ValueError(f"{name} must be at least 0, not {getattr(self, name)}")


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
            chosen = self.survivors(beam, candidates, step)
            stay = chosen.total[:, 0].gt(-math.inf).nonzero()[:, 0]  # [new sentences]
            if not stay.numel():
                break
            row = beam.row(chosen.slot)[stay].flatten()
            models.follow(row, stay if stay.numel() < beam.sentence.numel() else None)
            beam = beam.advance(chosen, stay, self.words.pad)
            history.choices.append(self.choices(row, chosen, stay))
        return history.best(sentences, self.options.nbest)

    def restrict(self, log_p: Tensor, beam: Beam, step: int) -> None:
        """Takes away what may not follow: log_p [sentences, beam, words], changed in place."""
        pad, end, unknown = self.words.pad, self.words.end, self.words.unknown
        if self.options.unknown_penalty:
            log_p[:, :, unknown] -= self.options.unknown_penalty
        forced = torch.full_like(beam.sentence, pad)
        if step < beam.prefix.size(1):
            forced = beam.prefix[:, step]
        forced = forced.masked_fill(beam.limit[:, 0] <= step, end)
        where = forced.ne(pad).nonzero()[:, 0]  # sentences that can go on in one way alone
        only = log_p[where, :, forced[where]]  # [such sentences, beam]
        log_p[:, :, pad] = -math.inf
        if step < self.options.min_length:
            log_p[:, :, end] = -math.inf
        if where.numel():
            log_p[where] = -math.inf
            log_p[where, :, forced[where]] = only

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

    def survivors(self, beam: Beam, candidates: Candidates, step: int) -> Candidates:
        """The candidates that go on, the best first, in as many places as any sentence needs."""
        is_end = candidates.token.eq(self.words.end)
        order = is_end.long().argsort(dim=1, stable=True)[:, : self.options.beam]
        total = candidates.total.masked_fill(is_end, -math.inf).gather(1, order)
        score = self.options.score
        present = score.normalised(total, step + 1)
        lost = present < beam.best[:, :1] - self.options.hypothesis_pruning
        lost |= score.bound(total, beam.limit + 1) <= beam.best[:, -1:]
        total = total.masked_fill(lost, -math.inf)
        places = max(1, int(total.gt(-math.inf).sum(1).max()))
        return candidates.select(order[:, :places])._replace(total=total[:, :places])

    def choices(self, row: Tensor, chosen: Candidates, stay: Tensor) -> Choices:
        """What the history keeps of the survivors: row [hypotheses], stay [new sentences]."""
        token = chosen.token[stay].flatten()
        log_p = chosen.log_p[stay].flatten()
        return Choices(
            row, token, log_p + self.options.unknown_penalty * token.eq(self.words.unknown)
        )
