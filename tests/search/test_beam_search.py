"""The search against enumeration and against a search of one token at a time."""

from __future__ import annotations

import dataclasses
import math
from typing import Any

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from search_references import VOCABULARY, Oracle, best_of_all, decided, found, slow_search
from small_models import collate, dictionary, sentences
from torch import Tensor

from moe_nmt.errors import UserError
from moe_nmt.models.gnmt_moe import GNMTMoEModel
from moe_nmt.search import Generator, Score, SearchOptions
from moe_nmt.search.generator import LengthLimit

LIMIT = 3
WIDE = 200  # more than there are translations of three words
penalties = st.sampled_from([0.0, 0.2, 1.0])
prunings = st.sampled_from([0.0, 0.5, 3.0, math.inf])
randomly = settings(deadline=None, max_examples=15)
seeds = st.integers(0, 10**6)
lengths = st.lists(st.integers(1, 6), min_size=1, max_size=3)

ENSEMBLES: dict[str, list[dict[str, object]]] = {
    "output": [{"attention_feed": "output"}],
    "input": [{"attention_feed": "input", "lstm_cells": 24}],
    "both": [{"attention_feed": "output"}, {"attention_feed": "input", "attention": "additive"}],
}


def ensemble(name: str, seed: int) -> list[GNMTMoEModel]:
    return [decided(seed + i, **options) for i, options in enumerate(ENSEMBLES[name])]


def translate(
    models: list[GNMTMoEModel],
    sources: list[Tensor],
    options: SearchOptions,
    limit: int = LIMIT,
    prefix: Tensor | None = None,
    more_padding: int = 0,
) -> list[list[dict[str, Any]]]:
    generator = Generator(models, dictionary(VOCABULARY), options, LengthLimit(0, limit))
    sample = collate(sources, sources, more_padding)
    return generator.generate(models, sample, prefix_tokens=prefix)


def assert_reports_the_formula(
    result: list[dict[str, Any]], oracle: Oracle, options: SearchOptions
) -> None:
    for hypothesis, translation in zip(result, found(result), strict=True):
        score = oracle.score(translation, options.score, options.unknown_penalty)
        assert float(hypothesis["score"]) == pytest.approx(score, rel=1e-4, abs=1e-4)
        log_p, attention = hypothesis["positional_scores"], hypothesis["attention"]
        torch.testing.assert_close(
            log_p.double(), torch.tensor(oracle.log_p(translation)).double(), rtol=1e-4, atol=1e-4
        )
        expected = torch.tensor(oracle.attention(translation)).t()
        torch.testing.assert_close(attention, expected, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("name", ENSEMBLES)
@given(seed=seeds, lengths=lengths, alpha=penalties, beta=penalties)
@settings(deadline=None, max_examples=4)
def test_a_wide_beam_finds_the_best_of_all_translations(
    name: str, seed: int, lengths: list[int], alpha: float, beta: float
) -> None:
    models, sources = ensemble(name, seed), sentences(*lengths, seed=seed, vocabulary=VOCABULARY)
    options = SearchOptions(beam=WIDE, nbest=3, score=Score(alpha, beta))
    for result, source in zip(translate(models, sources, options), sources, strict=True):
        oracle = Oracle(models, source)
        assert found(result) == best_of_all(oracle, options.score, LIMIT, 3)
        assert_reports_the_formula(result, oracle, options)


@pytest.mark.parametrize("name", ENSEMBLES)
@given(
    seed=seeds,
    lengths=lengths,
    limit=st.integers(3, 8),
    options=st.builds(
        SearchOptions,
        beam=st.integers(1, 6),
        nbest=st.integers(1, 4),
        score=st.builds(Score, penalties, penalties),
        token_pruning=prunings,
        hypothesis_pruning=prunings,
        min_length=st.integers(0, 3),
        unknown_penalty=st.sampled_from([0.0, 2.0]),
    ),
)
@randomly
def test_it_is_the_search_that_is_described(
    name: str, seed: int, lengths: list[int], limit: int, options: SearchOptions
) -> None:
    models, sources = ensemble(name, seed), sentences(*lengths, seed=seed, vocabulary=VOCABULARY)
    for result, source in zip(translate(models, sources, options, limit), sources, strict=True):
        oracle = Oracle(models, source)
        assert found(result) == slow_search(oracle, options, limit)
        assert_reports_the_formula(result, oracle, options)


@given(seed=seeds, beam=st.integers(1, 5), nbest=st.integers(1, 3), alpha=penalties, beta=penalties)
@randomly
def test_stopping_early_never_changes_the_best(
    seed: int, beam: int, nbest: int, alpha: float, beta: float
) -> None:
    class Patient(Score):
        def bound(self, log_p: Tensor, longest: Tensor) -> Tensor:
            return torch.full_like(log_p, math.inf).masked_fill(log_p.isinf(), -math.inf)

    models, sources = ensemble("output", seed), sentences(4, 6, seed=seed, vocabulary=VOCABULARY)
    options = SearchOptions(beam=beam, nbest=nbest, score=Score(alpha, beta))
    patient = dataclasses.replace(options, score=Patient(alpha, beta))
    early, late = (translate(models, sources, o, limit=9) for o in (options, patient))
    assert [found(result) for result in early] == [found(result) for result in late]


@given(seed=seeds, beam=st.integers(1, 5))
@randomly
def test_pruning_hypotheses_never_changes_the_best_by_log_p(seed: int, beam: int) -> None:
    """log P alone only falls: what is below a finished one stays there."""
    models, sources = ensemble("output", seed), sentences(4, 6, seed=seed, vocabulary=VOCABULARY)
    options = SearchOptions(beam=beam, score=Score(0, 0))
    pruned = dataclasses.replace(options, hypothesis_pruning=0.0)
    one, two = (translate(models, sources, o, limit=9) for o in (options, pruned))
    assert [found(result) for result in one] == [found(result) for result in two]


@given(seed=seeds, beam=st.integers(1, 5), more_padding=st.integers(0, 3))
@randomly
def test_the_batch_does_not_matter(seed: int, beam: int, more_padding: int) -> None:
    models = ensemble("both", seed)
    sources = sentences(4, 1, 6, 2, seed=seed, vocabulary=VOCABULARY)
    options = SearchOptions(beam=beam, nbest=2, token_pruning=3.0, hypothesis_pruning=3.0)
    together = translate(models, sources, options, limit=6, more_padding=more_padding)
    for result, source in zip(together, sources, strict=True):
        (alone,) = translate(models, [source], options, limit=6)
        assert found(result) == found(alone)
        for one, two in zip(result, alone, strict=True):
            torch.testing.assert_close(one["score"], two["score"])
            torch.testing.assert_close(one["attention"], two["attention"])


@given(seed=seeds, beam=st.integers(1, 5), lengths=st.tuples(st.integers(1, 5), st.integers(1, 5)))
@randomly
def test_translations_begin_with_their_prefix(
    seed: int, beam: int, lengths: tuple[int, int]
) -> None:
    models = ensemble("output", seed)
    sources = sentences(4, 6, seed=seed, vocabulary=VOCABULARY)
    options = SearchOptions(beam=beam, nbest=2)
    targets = sentences(*lengths, seed=seed + 1, vocabulary=VOCABULARY)  # with their ends
    prefix = collate(targets, targets)["target"][:, :3]
    results = translate(models, sources, options, limit=6, prefix=prefix)
    for result, source, target in zip(results, sources, targets, strict=True):
        begin = tuple(target[:3].tolist())
        assert found(result) == slow_search(Oracle(models, source), options, 6, begin)
        assert all(translation[: len(begin)] == begin for translation in found(result))


def test_a_limit_is_that_of_the_sentence_alone() -> None:
    models, sources = ensemble("output", 1), sentences(2, 6, vocabulary=VOCABULARY)
    options = SearchOptions(beam=4, nbest=4, score=Score(1, 0), min_length=2)
    generator = Generator(models, dictionary(VOCABULARY), options, LengthLimit(0.5, 1))
    results = generator.generate(models, collate(sources, sources))
    expected = [
        slow_search(Oracle(models, s), options, n) for s, n in zip(sources, (2, 4), strict=True)
    ]
    assert [found(result) for result in results] == expected
    assert {len(translation) for translation in found(results[0])} == {3}  # two words and the end


def test_a_model_that_computes_nan_is_refused() -> None:
    model = decided(1)
    model.decoder.output_embedding.weight.data[5] = math.nan
    with pytest.raises(UserError, match="the model computes nan: use an earlier checkpoint"):
        translate([model], sentences(3, vocabulary=VOCABULARY), SearchOptions())


def test_options_out_of_range_are_refused() -> None:
    for name, value in (
        *(("beam", 0), ("nbest", 0), ("token_pruning", -1.0), ("hypothesis_pruning", math.nan)),
        *(("unknown_penalty", -0.1), ("unknown_penalty", math.inf)),
    ):
        with pytest.raises(ValueError, match=f"{name} must be at least"):
            SearchOptions(**{name: value})
    for name in ("alpha", "beta"):
        with pytest.raises(ValueError, match=f"{name} must be at least 0 and finite, not -1"):
            Score(**{name: -1})
