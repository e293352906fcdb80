"""Dropout: what is kept, how it is scaled, and what repeats it."""

import pytest
import torch
from comparisons import gradients
from hypothesis import given
from hypothesis import strategies as st
from module_checks import draw, randomly

from moe_nmt.modules.dropout import Dropout


@pytest.mark.parametrize("p", [0.1, 0.2, 0.4, 0.5, 0.9])
def test_rate_and_scale(p):
    torch.manual_seed(0)
    x = draw(100_000).detach().abs() + 1
    y = Dropout(p)(x)
    kept = y != 0
    assert kept.float().mean().item() == pytest.approx(1 - p, abs=0.006)
    torch.testing.assert_close(y[kept], x[kept] / (1 - p), rtol=1e-3, atol=0)
    assert y.mean().item() == pytest.approx(x.mean().item(), rel=0.03)


def test_elements_that_share_a_draw_are_dropped_independently():
    torch.manual_seed(0)
    kept = (Dropout(0.4)(torch.ones(50_000, 4)) != 0).float()
    assert (kept.mean(0) - 0.6).abs().max() < 0.01
    covariance = torch.cov(kept.t())
    assert (covariance - torch.diag(covariance.diag())).abs().max() < 0.005


def test_the_expected_scale_is_exact():
    for p in (0.1, 0.3, 0.4, 0.7):
        y = Dropout(p)(torch.ones(1000, dtype=torch.float64))
        kept_of_levels = 65536 - round(p * 65536)
        assert y.max().item() == pytest.approx(65536 / kept_of_levels, rel=1e-12)


@given(st.lists(st.integers(0, 5), max_size=3), st.sampled_from([torch.float32, torch.bfloat16]))
@randomly
def test_any_shape_and_precision(shape, dtype):
    x = torch.ones(shape, dtype=dtype)
    y = Dropout(0.5)(x)
    assert y.shape == x.shape
    assert y.dtype == dtype
    assert ((y == 0) | (y == 2)).all()


def test_transposed_input():
    x = draw(6, 5).detach().add(10).t()
    y = Dropout(0.5)(x)
    assert ((y == 0) | (y == 2 * x)).all()


def test_the_gradient_passes_where_the_value_does():
    x = draw(1000).detach().add(10).requires_grad_()
    y = Dropout(0.3)(x)
    upstream = gradients([x * 1], [x])[0]
    torch.testing.assert_close(gradients([y], [x])[0], upstream * (y / x))


def test_a_seed_repeats_it():
    x = torch.ones(1000)
    dropout = Dropout(0.4)
    torch.manual_seed(0)
    first, second = dropout(x), dropout(x)
    torch.manual_seed(0)
    assert torch.equal(dropout(x), first)
    assert not torch.equal(first, second)


def test_the_input_is_left_alone():
    x = torch.ones(100)
    Dropout(0.5)(x)
    assert x.all()


def test_evaluation_and_zero_change_and_draw_nothing():
    x = draw(100)
    before = torch.get_rng_state()
    assert Dropout(0.4).eval()(x) is x
    assert Dropout(0.0)(x) is x
    assert torch.equal(torch.get_rng_state(), before)


def test_one_drops_everything():
    x = draw(100)
    y = Dropout(1.0)(x)
    assert not y.any()
    assert not gradients([y], [x])[0].any()


@pytest.mark.parametrize("p", [-0.1, 1.1])
def test_no_other_probabilities(p):
    with pytest.raises(ValueError, match="between 0 and 1"):
        Dropout(p)
