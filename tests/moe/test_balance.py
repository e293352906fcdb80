"""Balancing losses and figures against their definitions."""

import statistics

import pytest
import torch
from comparisons import assert_all_close, gradients, in_double
from hypothesis import given
from hypothesis import strategies as st
from moe_checks import randomly, tokens_like

from moe_nmt.moe import (
    GATES,
    NoisyTopKGate,
    balance_figures,
    build_gate,
    importance_loss,
    load_loss,
    squared_cv,
)

loads = st.lists(st.floats(0.125, 1000, width=32), min_size=1, max_size=9)


def slow_squared_cv(values):
    mean = sum(values) / len(values)
    return sum((value - mean) ** 2 for value in values) / len(values) / mean**2


@given(loads)
@randomly
def test_squared_cv_has_the_biased_variance(values):
    expected = statistics.pvariance(values) / statistics.fmean(values) ** 2
    assert squared_cv(torch.tensor(values)).item() == pytest.approx(expected, rel=1e-4, abs=1e-6)


@given(loads)
@randomly
def test_gradient_of_squared_cv(values):
    fast = torch.tensor(values, requires_grad=True)
    (slow,) = in_double(fast)
    assert_all_close(
        gradients([squared_cv(fast)], [fast]), gradients([slow_squared_cv(slow)], [slow]), atol=1e-4
    )


def test_squared_cv_does_not_depend_on_the_scale():
    values = torch.tensor([1.0, 2.0, 3.0])
    for scale in (1e-12, 1.0, 1e12):
        assert squared_cv(values * scale).item() == pytest.approx(1 / 6)


def test_no_tokens_are_balanced():
    zeros = torch.zeros(4, requires_grad=True)
    assert squared_cv(zeros) == 0
    assert gradients([squared_cv(zeros)], [zeros])[0].tolist() == [0] * 4
    figures = balance_figures(zeros, zeros)
    assert (figures.importance_cv, figures.load_cv, figures.max_over_mean_load) == (0, 0, 0)


def test_figures():
    importance = torch.tensor([1.0, 3.0], requires_grad=True)
    load = torch.tensor([0.0, 1.0, 2.0, 5.0], requires_grad=True)
    figures = balance_figures(importance, load)
    assert figures.importance_cv.item() == pytest.approx(0.5)
    assert figures.load_cv.item() == pytest.approx(statistics.pstdev([0, 1, 2, 5]) / 2)
    assert figures.max_over_mean_load.item() == pytest.approx(2.5)
    assert not any(
        figure.requires_grad
        for figure in (figures.importance_cv, figures.load_cv, figures.max_over_mean_load)
    )


def test_losses_are_those_of_the_routing():
    gate = NoisyTopKGate(4, 5, 2)
    gate.projection.weight.data.normal_(generator=torch.Generator().manual_seed(0))
    routing = gate(tokens_like(20, 4, 0))
    assert importance_loss(routing).item() == pytest.approx(
        slow_squared_cv(routing.importance.tolist()), rel=1e-4
    )
    assert load_loss(routing).item() == pytest.approx(
        slow_squared_cv(routing.load.tolist()), rel=1e-4
    )


@pytest.mark.parametrize("name", GATES)
@pytest.mark.parametrize("groups", [1, 2])
def test_a_batch_without_tokens_costs_nothing(name, groups):
    gate = build_gate(name, 4, 4, 4 // groups, groups)
    routing = gate(torch.zeros(0, 4, requires_grad=True))
    loss = importance_loss(routing) + load_loss(routing) + routing.auxiliary_loss
    assert loss == 0
    for gradient in gradients([loss], list(gate.parameters())):
        assert not gradient.any()


def test_descent_on_the_losses_balances_the_experts():
    gate = NoisyTopKGate(8, 6, 2)
    gate.projection.weight.data.normal_(generator=torch.Generator().manual_seed(0))
    x = tokens_like(300, 8, 0).detach().add(1.0)
    optimizer = torch.optim.Adam(gate.parameters(), 0.05)
    torch.manual_seed(0)
    before = gate(x)
    for _ in range(80):
        routing = gate(x)
        optimizer.zero_grad()
        (importance_loss(routing) + load_loss(routing)).backward()
        optimizer.step()
    assert load_loss(before) > 0.3
    assert load_loss(routing) < 0.02
    assert importance_loss(routing) < 0.02
