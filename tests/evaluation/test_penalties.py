"""The search and moe-nmt-tune score a translation by the same formula."""

import math

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from moe_nmt.evaluation.penalties import LEAST_ATTENTION, coverage_logarithm, length_penalty
from moe_nmt.evaluation.rescoring import coverage
from moe_nmt.search.score import Score


@given(
    attention=st.lists(st.lists(st.floats(0, 1), min_size=3, max_size=3), min_size=1, max_size=5),
    beta=st.floats(0, 2),
)
@settings(deadline=None)
def test_an_attention_costs_the_same_in_both(attention: list[list[float]], beta: float) -> None:
    tuned = beta * coverage(np.array(attention))
    total = torch.tensor(attention).sum(0, keepdim=True)  # [1, source]
    searched = Score(0.0, beta).coverage_penalty(total, torch.zeros(1, 3, dtype=torch.bool))
    assert float(searched) == pytest.approx(tuned, rel=1e-4, abs=1e-5)


def test_a_word_without_attention_costs_as_much_as_the_last_printed_digit() -> None:
    assert coverage(np.array([[1.0, 0.0]])) == pytest.approx(math.log(LEAST_ATTENTION))
    assert math.log(LEAST_ATTENTION) == pytest.approx(-14.5, abs=0.01)
    searched = Score(0.0, 1.0).coverage_penalty(
        torch.tensor([[1.0, 0.0]]), torch.zeros(1, 2, dtype=torch.bool)
    )
    assert float(searched) == pytest.approx(-14.5, abs=0.01)


def test_numbers_arrays_and_tensors_alike() -> None:
    expected = ((5 + 7) / 6) ** 0.3
    assert length_penalty(7, 0.3) == pytest.approx(expected)
    assert length_penalty(np.array([7]), 0.3)[0] == pytest.approx(expected)
    assert float(length_penalty(torch.tensor([7]), 0.3)) == pytest.approx(expected)
    assert coverage_logarithm(np.array([0.5, 2.0]), np.log).tolist() == [math.log(0.5), 0.0]
    assert coverage_logarithm(torch.tensor([2.0]), torch.log).tolist() == [0.0]
