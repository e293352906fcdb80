"""The formula against its definition."""

import math

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from moe_nmt.search import Score


def test_gnmts_values_are_the_default() -> None:
    assert Score() == Score(alpha=0.2, beta=0.2)


@given(
    log_p=st.floats(-50, 0),
    length=st.integers(1, 60),
    coverage=st.lists(st.floats(0.01, 3), min_size=1, max_size=6),
    alpha=st.floats(0, 2),
    beta=st.floats(0, 2),
)
@settings(deadline=None)
def test_formula(
    log_p: float, length: int, coverage: list[float], alpha: float, beta: float
) -> None:
    padded = torch.tensor([[*coverage, 0.0, 0.0]])
    padding = torch.tensor([[False] * len(coverage) + [True] * 2])
    score = Score(alpha, beta)(torch.tensor([log_p]), length, padded, padding)
    length_penalty = ((5 + length) / 6) ** alpha
    coverage_penalty = beta * sum(math.log(min(share, 1)) for share in coverage)
    assert float(score) == pytest.approx(log_p / length_penalty + coverage_penalty, abs=1e-3)


def test_an_uncovered_word_costs_and_is_no_end_of_the_world() -> None:
    padding = torch.zeros(3, 2, dtype=torch.bool)
    coverage = torch.tensor([[1.0, 1.0], [2.0, 0.5], [2.0, 0.0]])
    whole, half, none = Score(0.2, 1.0).coverage_penalty(coverage, padding).tolist()
    assert whole == 0
    assert half == pytest.approx(math.log(0.5))
    assert none == pytest.approx(math.log(5e-7), rel=1e-6)


@given(
    log_p=st.floats(-50, 0),
    more=st.floats(-50, 0),
    lengths=st.tuples(st.integers(1, 30), st.integers(0, 30), st.integers(0, 30)),
    coverage=st.floats(0.01, 2),
    alpha=st.floats(0, 2),
)
@settings(deadline=None)
def test_no_continuation_exceeds_the_bound(
    log_p: float, more: float, lengths: tuple[int, int, int], coverage: float, alpha: float
) -> None:
    length, longest = lengths[0] + lengths[1], sum(lengths)
    score = Score(alpha, 0.5)
    end = score(
        torch.tensor([log_p + more]), length, torch.tensor([[coverage]]), torch.tensor([[False]])
    )
    bound = score.bound(torch.tensor([[log_p]]), torch.tensor([[longest]]))
    assert float(end) <= float(bound) + 1e-4
