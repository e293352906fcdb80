"""Strictly balanced gating against App. F."""

import pytest
import torch
from comparisons import assert_all_close, gradients, in_double
from gate_references import side_by_side, spelled_out, strictly_balanced
from hypothesis import given
from hypothesis import strategies as st
from moe_checks import randomise, randomly, seeds, sizes, tokens_like

from moe_nmt.moe import StrictlyBalancedGate
from moe_nmt.moe.strictly_balanced import largest_of_columns


def build(tokens, dim, experts, k, seed, groups=1, most=None):
    gate = StrictlyBalancedGate(dim, experts, k, groups, most)
    randomise(gate, seed)
    generator = torch.Generator().manual_seed(seed)
    gate.threshold.data.uniform_(0, 1.5 / experts, generator=generator)
    return gate, tokens_like(tokens, dim, seed)


@given(sizes(most_tokens=12), seeds, st.booleans())
@randomly
def test_formula_and_gradients(size, seed, training):
    tokens, k = size[0], size[3]
    gate, x = build(*size, seed)
    gate.train(training)
    weights = [x, gate.projection.weight, gate.threshold]
    slow_x, w_gate, threshold = slow_weights = in_double(*weights)
    fast = spelled_out(gate(x), tokens)
    slow = strictly_balanced(slow_x, w_gate[0], threshold[0], k, training)
    assert_all_close(fast, slow)
    assert_all_close(gradients(fast, weights), gradients(slow, slow_weights))


@given(st.lists(st.integers(1, 5), min_size=2, max_size=4), st.integers(1, 3), seeds, st.booleans())
@randomly
def test_groups_are_separate_gates(group_sizes, k, seed, training):
    gate, x = build(sum(group_sizes), 5, 3, k, seed, len(group_sizes))
    gate.train(training)
    weights = [x, gate.projection.weight, gate.threshold]
    slow_x, w_gate, threshold = slow_weights = in_double(*weights)
    fast = spelled_out(gate(x, torch.tensor(group_sizes)), len(x))
    slow = side_by_side(
        [
            strictly_balanced(part, w_gate[i], threshold[i], k, training)
            for i, part in enumerate(slow_x.split(group_sizes))
        ]
    )
    assert_all_close(fast, slow)
    assert_all_close(gradients(fast, weights), gradients(slow, slow_weights))


@pytest.mark.parametrize(
    ("tokens", "experts", "k", "share"),
    [
        (12, 6, 2, 4),
        (10, 4, 1, 3),  # 2.5, halves up
        (54, 12, 7, 32),  # 31.5, where 7 / 12 is no float32
        (95, 10, 3, 29),  # 28.5
        (5, 4, 1, 1),  # 1.25
        (2, 8, 1, 1),  # 0.25, but at least one
        (1, 3, 3, 1),
    ],
)
def test_every_expert_receives_its_share(tokens, experts, k, share):
    gate, x = build(tokens, 4, experts, k, 1)
    routing = gate(x)
    assert routing.load.tolist() == [share] * experts
    assert routing.tokens_per_expert().tolist() == [share] * experts


def test_groups_have_shares_of_their_own():
    gate, x = build(7, 4, 2, 1, 1, groups=3)
    routing = gate(x, torch.tensor([4, 0, 3]))
    assert routing.load.tolist() == [2, 2, 0, 0, 2, 2]


def test_the_own_loss_reaches_the_thresholds_alone():
    gate, x = build(9, 4, 5, 2, 0)
    loss = gate(x).auxiliary_loss
    assert loss > 0
    of_x, of_projection, of_threshold = gradients(
        [loss], [x, gate.projection.weight, gate.threshold]
    )
    assert not of_x.any()
    assert not of_projection.any()
    assert of_threshold.any()


def test_descent_on_the_own_loss_finds_thresholds_that_keep_the_share():
    gate, x = build(200, 4, 4, 1, 0)
    for _ in range(400):
        (gradient,) = gradients_of_loss(gate, x)
        gate.threshold.data.sub_(0.05 * gradient)
    gate.eval()
    kept = gate(x).load
    assert (kept - 50).abs().max() <= 4


def gradients_of_loss(gate, x):
    return torch.autograd.grad(gate(x).auxiliary_loss, [gate.threshold])


def test_ties_go_to_the_earlier_tokens():
    gate = StrictlyBalancedGate(3, 4, 2)
    routing = gate(torch.randn(3000, 3))  # Wg = 0: all p are equal
    assert routing.token.tolist() == [t for t in range(1500) for _ in range(4)]
    assert torch.equal(routing.gate, torch.full((6000,), 0.25))


def test_evaluation_depends_on_the_thresholds_and_not_on_the_other_tokens():
    gate, x = build(30, 4, 5, 2, 2)
    gate.eval()
    whole = spelled_out(gate(x), 30).gates
    for t in range(30):
        assert_all_close([spelled_out(gate(x[t : t + 1]), 1).gates], [whole[t : t + 1]])
    p = torch.softmax(x @ gate.projection.weight[0], dim=-1)
    assert torch.equal(whole > 0, p > gate.threshold)
    assert gate(x).auxiliary_loss == 0


def test_a_token_may_have_no_expert():
    gate, x = build(4, 4, 3, 1, 0)
    gate.eval()
    gate.threshold.data.fill_(1.0)
    routing = gate(x)
    assert routing.gate.numel() == 0
    assert routing.load.tolist() == [0, 0, 0]
    assert not gradients([routing.gate, routing.importance], [x])[0].any()


@pytest.mark.parametrize("spread", [30.0, 180.0, 200.0, 1e30])
def test_the_only_expert_of_a_token_has_gate_one_however_improbable(spread):
    """Expert 1 has to take the second token though p is too small for a float32."""
    gate = StrictlyBalancedGate(2, 2, 1)
    gate.projection.weight.data.copy_(torch.eye(2))
    x = torch.tensor([[spread, 0.0], [spread, spread / 2]], requires_grad=True)
    routing = gate(x)
    by_token = spelled_out(routing, 2).gates
    assert by_token.sum(1)[routing.token.unique()].tolist() == [1.0] * len(routing.token.unique())
    assert gradients([routing.gate, routing.importance], [x])[0].isfinite().all()


def test_improbable_experts_share_a_token_by_their_logits():
    gate = StrictlyBalancedGate(3, 3, 1)
    gate.projection.weight.data.copy_(torch.eye(3))
    x = torch.tensor([[0.0, -200.0, -200.0], [200.0, 1.0, 0.0], [1.0, 0.0, 0.0]])
    gate.eval()
    gate.threshold.data.copy_(torch.tensor([1.0, -1.0, -1.0]))  # experts 1 and 2, whatever p is
    expected = torch.softmax(torch.tensor([1.0, 0.0]), dim=0)
    assert_all_close([spelled_out(gate(x), 3).gates[1, 1:]], [expected])
    with torch.autograd.set_detect_anomaly(True):
        x.requires_grad_()
        assert gradients([gate(x).gate], [x])[0][1].abs().sum() > 0.1


@given(sizes(), seeds)
@randomly
def test_the_number_of_assignments_is_known_before_they_are(size, seed):
    gate, x = build(*size, seed)
    assert len(gate(x).expert) == gate.assignments(len(x))
    assert gate.eval().assignments(len(x)) is None


@given(sizes(most_tokens=12), seeds, st.integers(0, 3))
@randomly
def test_evaluation_keeps_the_best_of_those_above_the_thresholds(size, seed, more):
    tokens, _, _, k = size
    gate, x = build(*size, seed, most=k + more)
    gate.eval()
    slow_x, w_gate, threshold = in_double(x, gate.projection.weight, gate.threshold)
    fast = spelled_out(gate(x), tokens)
    slow = strictly_balanced(slow_x, w_gate[0], threshold[0], k, False, most=k + more)
    assert_all_close(fast, slow)


def test_thresholds_that_are_not_learned_cost_no_more_than_the_bound(caplog):
    gate, x = build(50, 8, 256, 2, seed=1)
    gate.threshold.data.fill_(1 / 256)
    gate.eval()
    routing = gate(x)
    gate(x)
    per_token = torch.bincount(routing.token, minlength=50)
    assert per_token.max() == 8
    assert [record.levelname for record in caplog.records] == ["WARNING"]  # once
    assert "more than 8 of 256 experts" in caplog.text
    gate.train()
    assert torch.bincount(gate(x).token, minlength=50).sum() == 256  # m is 1: half of k |X| / n
    with pytest.raises(ValueError, match="cannot keep fewer experts in evaluation, 1, than k 2"):
        StrictlyBalancedGate(8, 4, 2, most=1)


@given(
    st.lists(st.lists(st.sampled_from([0.0, 0.5, 1.0, float("nan")]), min_size=3, max_size=3)),
    st.integers(0, 6),
)
def test_the_largest_of_columns_are_those_that_a_stable_sort_puts_first(rows, number):
    values = torch.tensor(rows).view(-1, 3)
    number = min(number, len(rows))
    order = values.argsort(dim=0, descending=True, stable=True)
    expected = torch.zeros_like(values, dtype=torch.bool).scatter_(0, order[:number], value=True)
    assert torch.equal(largest_of_columns(values, number), expected)
