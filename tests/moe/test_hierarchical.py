"""A hierarchical gate is the product of its two levels (App. B)."""

import pytest
import torch
from comparisons import assert_all_close, gradients, in_double
from gate_references import (
    hierarchical,
    members_of_groups,
    noisy_top_k,
    recorded_noise,
    spelled_out,
    strictly_balanced,
)
from hypothesis import given
from hypothesis import strategies as st
from moe_checks import randomise, randomly, seeds, tokens_like

from moe_nmt.moe import HierarchicalGate, NoisyTopKGate, SoftmaxGate, StrictlyBalancedGate

shapes = st.tuples(st.integers(1, 8), st.integers(2, 4), st.integers(1, 5))


@given(shapes, seeds, st.booleans())
@randomly
def test_noisy_top_k_at_both_levels(shape, seed, training):
    tokens, groups, experts = shape
    first_k, second_k = seed % groups + 1, seed % experts + 1
    gate = HierarchicalGate(
        NoisyTopKGate(5, groups, first_k), NoisyTopKGate(5, experts, second_k, groups)
    )
    randomise(gate, seed)
    gate.train(training)
    x = tokens_like(tokens, 5, seed)
    weights = [
        x,
        gate.primary.projection.weight,
        gate.primary.noise_projection.weight,
        gate.secondary.projection.weight,
        gate.secondary.noise_projection.weight,
    ]
    slow_weights = in_double(*weights)
    slow_x, first_gate, first_noise, second_gate, second_noise = slow_weights
    with recorded_noise() as draws:
        fast = spelled_out(gate(x), tokens)
    noise = [draw.double() for draw in draws] if training else [None, None]
    first = noisy_top_k(slow_x, first_gate[0], first_noise[0], first_k, noise[0])
    seconds, start = [], 0
    for i, members in enumerate(members_of_groups(first)):
        if not members:
            seconds.append(None)
            continue
        own_noise = noise[1][start : start + len(members)] if training else None
        start += len(members)
        seconds.append(
            noisy_top_k(slow_x[members], second_gate[i], second_noise[i], second_k, own_noise)
        )
    slow = hierarchical(first, seconds)
    assert_all_close(fast, slow)
    assert_all_close(gradients(fast, weights), gradients(slow, slow_weights), 1e-3, 1e-4)


@given(shapes, seeds, st.booleans())
@randomly
def test_strictly_balanced_at_both_levels(shape, seed, training):
    tokens, groups, experts = shape
    first_k, second_k = seed % groups + 1, seed % experts + 1
    gate = HierarchicalGate(
        StrictlyBalancedGate(5, groups, first_k),
        StrictlyBalancedGate(5, experts, second_k, groups),
    )
    randomise(gate, seed)
    gate.primary.threshold.data.fill_(0.1)
    gate.secondary.threshold.data.fill_(0.2)
    gate.train(training)
    x = tokens_like(tokens, 5, seed)
    weights = [
        x,
        gate.primary.projection.weight,
        gate.primary.threshold,
        gate.secondary.projection.weight,
        gate.secondary.threshold,
    ]
    slow_weights = in_double(*weights)
    slow_x, first_gate, first_threshold, second_gate, second_threshold = slow_weights
    fast = spelled_out(gate(x), tokens)
    first = strictly_balanced(slow_x, first_gate[0], first_threshold[0], first_k, training)
    seconds = [
        strictly_balanced(slow_x[members], second_gate[i], second_threshold[i], second_k, training)
        if members
        else None
        for i, members in enumerate(members_of_groups(first))
    ]
    slow = hierarchical(first, seconds)
    assert_all_close(fast, slow)
    assert_all_close(gradients(fast, weights), gradients(slow, slow_weights))


def test_kinds_may_differ_between_levels():
    gate = HierarchicalGate(SoftmaxGate(4, 3), NoisyTopKGate(4, 5, 2, groups=3)).eval()
    randomise(gate, 0)
    x = tokens_like(6, 4, 0)
    found = spelled_out(gate(x), 6).gates.view(6, 3, 5)
    assert_all_close([found.sum(-1)], [gate.primary(x).gate.view(6, 3)])
    assert ((found > 0).sum(-1) == 2).all()


def test_each_token_uses_the_experts_of_both_levels_and_gates_add_up_to_one():
    gate = HierarchicalGate(NoisyTopKGate(4, 4, 2), NoisyTopKGate(4, 6, 2, groups=4))
    randomise(gate, 0)
    routing = gate(tokens_like(50, 4, 0))
    assert routing.token.tolist() == [t for t in range(50) for _ in range(4)]
    gates = spelled_out(routing, 50).gates
    assert ((gates > 0).sum(-1) == 4).all()
    assert ((gates.view(50, 4, 6) > 0).any(-1).sum(-1) == 2).all()
    assert_all_close([gates.sum(-1)], [torch.ones(50)])
    assert (gate.num_experts, gate.k, gate.groups) == (24, 4, 1)


def test_an_empty_group_has_no_importance_and_no_load():
    gate = HierarchicalGate(NoisyTopKGate(1, 2, 1), NoisyTopKGate(1, 3, 2, groups=2))
    gate.primary.projection.weight.data.copy_(torch.tensor([[[1e6, -1e6]]]))
    x = torch.ones(5, 1, requires_grad=True)
    routing = gate(x)
    assert routing.importance[3:].tolist() == [0, 0, 0]
    assert routing.load[3:].tolist() == [0, 0, 0]
    assert routing.importance.sum().item() == pytest.approx(5)
    assert gradients(spelled_out(routing, 5), [x])[0].isfinite().all()


def test_levels_that_do_not_fit_are_refused():
    with pytest.raises(ValueError, match=r"among 1 x 3 groups, but the secondary gate has 2"):
        HierarchicalGate(NoisyTopKGate(4, 3, 1), NoisyTopKGate(4, 5, 1, groups=2))
    with pytest.raises(ValueError, match=r"token sizes differ: 4 and 8"):
        HierarchicalGate(NoisyTopKGate(4, 3, 1), NoisyTopKGate(8, 5, 1, groups=3))
    with pytest.raises(ValueError, match=r"among 2 x 3 groups"):
        HierarchicalGate(NoisyTopKGate(4, 3, 1, groups=2), NoisyTopKGate(4, 5, 1, groups=3))
