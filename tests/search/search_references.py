"""Slow references of the search: one sentence, one hypothesis, one token at a time."""

from __future__ import annotations

import itertools
import math
from collections.abc import Iterator
from functools import cache
from typing import Any

import torch
from small_models import build
from torch import Tensor

from moe_nmt.models.gnmt_moe import GNMTMoEModel
from moe_nmt.search.beam_search import SearchOptions
from moe_nmt.search.score import Score

PAD, END, UNKNOWN = 1, 2, 3
VOCABULARY = 7  # four words of fairseq's, three of ours

Translation = tuple[int, ...]  # the end of sentence last


def decided(seed: int, **options: object) -> GNMTMoEModel:
    """An untrained model with clear preferences and clear attention."""
    model = build(vocabulary=VOCABULARY, seed=seed, **options)
    with torch.no_grad():
        model.decoder.output_embedding.weight.mul_(3)
        model.decoder.embedding.weight.mul_(3)
        model.encoder.embedding.weight.mul_(3)
        model.decoder.first_layer.attention.scale.mul_(15)
    return model


class Oracle:
    """What an ensemble says of one sentence, read alone and without padding.

    Translations are teacher-forced one by one; probabilities and attention are averaged.
    """

    def __init__(self, models: list[GNMTMoEModel], source: Tensor) -> None:
        self.models = models
        self.source = source
        self.read = cache(self.read_uncached)

    @torch.no_grad()
    def read_uncached(self, before: Translation) -> tuple[list[float], list[list[float]]]:
        """log p of every word after ``before``, and the attention of all steps up to it."""
        words = torch.tensor([[END, *before]])
        outputs = [model(self.source[None], None, words) for model in self.models]
        p = sum(logits[0, -1].double().softmax(-1) for logits, _ in outputs) / len(outputs)
        attention = sum(extra["attn"][0][0].double() for _, extra in outputs) / len(outputs)
        return p.log().tolist(), attention.tolist()

    def log_p(self, translation: Translation) -> list[float]:
        """Of each token."""
        return [self.read(translation[:j])[0][y] for j, y in enumerate(translation)]

    def attention(self, translation: Translation) -> list[list[float]]:
        """Of each token on each source token."""
        return self.read(translation[:-1])[1]

    def score(self, translation: Translation, score: Score, unknown_penalty: float = 0) -> float:
        """GNMT's formula."""
        log_p = sum(self.log_p(translation)) - unknown_penalty * translation.count(UNKNOWN)
        length_penalty = ((5 + len(translation)) / 6) ** score.alpha
        attention = self.attention(translation)
        covered = [sum(row[i] for row in attention) for i in range(len(self.source))]
        coverage_penalty = score.beta * sum(math.log(min(share, 1)) for share in covered)
        return log_p / length_penalty + coverage_penalty


def all_translations(limit: int, min_length: int = 1) -> Iterator[Translation]:
    """Every translation of at most ``limit`` words."""
    words = [word for word in range(VOCABULARY) if word not in (PAD, END)]
    for length in range(min_length, limit + 1):
        for translation in itertools.product(words, repeat=length):
            yield (*translation, END)


def best_of_all(oracle: Oracle, score: Score, limit: int, count: int) -> list[Translation]:
    """The best by enumeration."""
    return sorted(all_translations(limit), key=lambda y: -oracle.score(y, score))[:count]


def slow_search(
    oracle: Oracle, options: SearchOptions, limit: int, prefix: Translation = ()
) -> list[Translation]:
    """The whole search of one sentence, as its description has it."""
    score, unk = options.score, options.unknown_penalty
    beam: list[tuple[float, Translation]] = [(0.0, ())]
    finished: list[tuple[float, Translation]] = []
    for step in range(limit + 1):
        candidates = []
        for total, before in beam:
            words = dict(enumerate(oracle.read(before)[0]))
            words[UNKNOWN] -= unk
            if step == limit:
                words = {END: words[END]}
            elif step < len(prefix):
                words = {prefix[step]: words[prefix[step]]}
            else:
                del words[PAD]
                if step < options.min_length:
                    del words[END]
            least = max(words.values()) - options.token_pruning
            candidates += [(total + p, (*before, y)) for y, p in words.items() if p >= least]
        candidates.sort(reverse=True)
        for _, y in candidates[: options.beam]:
            if y[-1] == END:
                finished.append((oracle.score(y, score, unk), y))
        finished.sort(reverse=True)
        best = finished[0][0] if finished else -math.inf
        nth = finished[options.nbest - 1][0] if len(finished) >= options.nbest else -math.inf
        now, longest = (((5 + length) / 6) ** score.alpha for length in (step + 1, limit + 1))
        beam = [
            (total, y)
            for total, y in [c for c in candidates if c[1][-1] != END][: options.beam]
            if total / now >= best - options.hypothesis_pruning and total / longest > nth
        ]
    return [y for _, y in finished[: options.nbest]]


def found(result: list[dict[str, Any]]) -> list[Translation]:
    """The translations that a generator returned for a sentence."""
    return [tuple(hypothesis["tokens"].tolist()) for hypothesis in result]
