"""The experts against one feed-forward network per row."""

import copy
import math

import pytest
import torch
from comparisons import assert_all_close, gradients, in_double
from hypothesis import given
from hypothesis import strategies as st
from moe_checks import randomly, seeds, tokens_like

from moe_nmt.moe import Experts
from moe_nmt.moe.workers import Shard, Workers


def slow_experts(x, expert_of_row, w_in, w_out):
    """E_i(x) = relu(x W_in[i]) W_out[i], row by row."""
    rows = [
        (row @ w_in[i]).clamp_min(0) @ w_out[i] for row, i in zip(x, expert_of_row, strict=True)
    ]
    return torch.stack(rows) if rows else x.new_zeros(0, w_out.size(2))


def build(*sizes, seed=0):
    torch.manual_seed(seed)
    return Experts(*sizes)


@given(
    st.lists(st.integers(0, 5), min_size=1, max_size=5),
    st.integers(1, 9),
    st.integers(1, 17),
    seeds,
)
@randomly
def test_formula_and_gradients(counts, dim, hidden, seed):
    experts = build(len(counts), dim, hidden, seed=seed)
    x = tokens_like(sum(counts), dim, seed)
    slow_x, w_in, w_out = slow_weights = in_double(x, experts.w_in, experts.w_out)
    fast = experts(x, torch.tensor(counts))
    expert_of_row = [i for i, count in enumerate(counts) for _ in range(count)]
    slow = slow_experts(slow_x, expert_of_row, w_in, w_out)
    assert_all_close([fast], [slow])
    assert_all_close(
        gradients([fast], [x, experts.w_in, experts.w_out]), gradients([slow], slow_weights)
    )


@given(st.lists(st.integers(0, 4), min_size=1, max_size=4), st.integers(2, 4), seeds)
@randomly
def test_experts_of_more_hidden_layers(counts, depth, seed):
    torch.manual_seed(seed)
    experts = Experts(len(counts), 5, 7, depth=depth)
    assert len(experts.weights()) == depth + 1
    x = tokens_like(sum(counts), 5, seed)
    slow_x, *slow_weights = in_double(x, *experts.weights())
    fast = experts(x, torch.tensor(counts))
    slow = []
    for row, i in zip(slow_x, (i for i, n in enumerate(counts) for _ in range(n)), strict=True):
        for weight in slow_weights[:-1]:
            row = (row @ weight[i]).clamp_min(0)
        slow.append(row @ slow_weights[-1][i])
    slow = torch.stack(slow) if slow else slow_x.new_zeros(0, 5)
    assert_all_close([fast], [slow])
    assert_all_close(
        gradients([fast], [x, *experts.weights()]), gradients([slow], [slow_x, *slow_weights])
    )


def test_deep_experts_are_recomputed_and_loaded_in_part():
    torch.manual_seed(0)
    deep = Experts(4, 5, 7, depth=3)
    again = Experts(4, 5, 7, recompute=True, depth=3)
    again.load_state_dict(deep.state_dict())
    x, counts = tokens_like(6, 5, 0), torch.tensor([1, 2, 0, 3])
    assert_all_close(
        gradients([again(x, counts)], [x, *again.weights()]),
        gradients([deep(x, counts)], [x, *deep.weights()]),
    )
    part = Experts(4, 5, 7, shard=Shard((0, 1, 3, 4), 1, Workers()), depth=3)
    part.load_state_dict(deep.state_dict())
    for weight, whole in zip(part.weights(), deep.weights(), strict=True):
        assert torch.equal(weight, whole[1:3])
        assert weight.expert.here == slice(1, 3)


def test_an_expert_has_a_hidden_layer():
    with pytest.raises(ValueError, match="an expert needs at least 1 hidden layer, not 0"):
        Experts(4, 5, 7, depth=0)


def test_an_expert_without_rows_has_no_gradient():
    experts = build(3, 4, 8)
    output = experts(tokens_like(5, 4, 0), torch.tensor([2, 0, 3]))
    for gradient in gradients([output], [experts.w_in, experts.w_out]):
        assert gradient[0].any()
        assert not gradient[1].any()
        assert gradient[2].any()


def test_an_expert_starts_the_same_whatever_the_number_of_its_neighbours():
    few, many = build(3, 8, 16), build(7, 8, 16)
    assert torch.equal(few.w_in, many.w_in[:3])
    assert torch.equal(few.w_out, many.w_out[:3])


def test_the_number_of_experts_does_not_change_what_is_drawn_later():
    build(3, 8, 16)
    after_few = torch.rand(1)
    build(7, 8, 16)
    assert torch.equal(after_few, torch.rand(1))


def test_experts_start_differently_and_layers_too():
    one = build(5, 4, 8)
    other = Experts(5, 4, 8)
    flat = torch.cat([w.flatten(1) for w in (one.w_in, other.w_in, one.w_out, other.w_out)])
    assert flat.unique().numel() > 0.99 * flat.numel()


def test_the_start_is_uniform_between_glorots_bounds():
    experts = build(4, 50, 100)
    bound = math.sqrt(6 / 150)
    for weight in (experts.w_in, experts.w_out):
        assert weight.abs().max() <= bound
        assert weight.abs().max() > 0.99 * bound
        assert weight.mean().abs() < 0.01 * bound
        assert weight.std().item() == pytest.approx(bound / math.sqrt(3), rel=0.02)


def test_weights_are_marked_also_in_copies():
    experts = build(2, 4, 8)
    for marked in (experts, copy.deepcopy(experts), copy.deepcopy(experts).bfloat16()):
        assert all(weight.expert.total == 2 for weight in marked.parameters())


def test_a_copy_is_independent():
    experts = build(2, 4, 8)
    other = copy.deepcopy(experts)
    other.w_in.data.zero_()
    assert experts.w_in.all()


@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16])
def test_the_precision_is_that_of_the_input_or_of_autocast(dtype):
    experts, counts = build(3, 8, 16), torch.tensor([2, 0, 4])
    x = tokens_like(6, 8, 0)
    full = experts(x, counts)
    assert full.dtype == torch.float32
    with torch.autocast("cpu", dtype=dtype):
        under_autocast = experts(x, counts)
    under_autocast.float().square().sum().backward()
    assert experts.w_in.grad.dtype == torch.float32
    half = experts.to(dtype)(x.to(dtype), counts)
    assert under_autocast.dtype == half.dtype == dtype
    assert torch.equal(half, under_autocast)
    assert_all_close([half], [full], rtol=2e-2, atol=2e-2)


def test_the_representation_names_the_sizes():
    assert repr(build(3, 4, 8)) == "Experts(experts=3, dim=4, hidden=8, depth=1)"
