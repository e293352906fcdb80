"""The dense gate against its formula."""

import pytest
import torch
from comparisons import assert_all_close, gradients, in_double
from gate_references import side_by_side, softmax_gate, spelled_out
from hypothesis import given
from hypothesis import strategies as st
from moe_checks import randomise, randomly, seeds, sizes, tokens_like

from moe_nmt.moe import SoftmaxGate


@given(sizes(), seeds)
@randomly
def test_formula_and_gradients(size, seed):
    tokens, dim, experts, _ = size
    gate = SoftmaxGate(dim, experts)
    randomise(gate, seed)
    x = tokens_like(tokens, dim, seed)
    slow_x, slow_weight = in_double(x, gate.projection.weight)
    fast, slow = spelled_out(gate(x), tokens), softmax_gate(slow_x, slow_weight[0])
    assert_all_close(fast, slow)
    assert_all_close(
        gradients(fast, [x, gate.projection.weight]), gradients(slow, [slow_x, slow_weight])
    )


@given(st.lists(st.integers(1, 4), min_size=2, max_size=4), seeds)
@randomly
def test_groups_are_separate_gates(group_sizes, seed):
    gate = SoftmaxGate(5, 3, groups=len(group_sizes))
    randomise(gate, seed)
    x = tokens_like(sum(group_sizes), 5, seed)
    slow_x, slow_weight = in_double(x, gate.projection.weight)
    fast = spelled_out(gate(x, torch.tensor(group_sizes)), len(x))
    parts = zip(slow_x.split(group_sizes), slow_weight, strict=True)
    slow = side_by_side([softmax_gate(part, weight) for part, weight in parts])
    assert_all_close(fast, slow)
    assert_all_close(
        gradients(fast, [x, gate.projection.weight]), gradients(slow, [slow_x, slow_weight])
    )


def test_starts_uniform():
    routing = SoftmaxGate(4, 5)(torch.randn(3, 4))
    assert torch.equal(routing.gate, torch.full((15,), 0.2))


def test_huge_logits_choose_one():
    gate = SoftmaxGate(2, 2)
    gate.projection.weight.data.copy_(torch.eye(2) * 1e30)
    x = torch.tensor([[1.0, 0.0], [0.0, 1.0]], requires_grad=True)
    routing = gate(x)
    assert routing.gate.tolist() == [1, 0, 0, 1]
    assert not gradients([routing.gate], [x])[0].any()


def test_refuses_to_choose():
    with pytest.raises(ValueError, match=r"uses all 4 experts for every token: k must be 4"):
        SoftmaxGate(3, 4, 2)
