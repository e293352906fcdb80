"""The fast path of CPUs against torch's grouped products and a loop over experts."""

import copy

import pytest
import torch
from comparisons import assert_all_close, gradients, in_double
from hypothesis import given
from hypothesis import strategies as st
from moe_checks import randomly, seeds, tokens_like

from moe_nmt.moe import Experts, chunks, feed_forward
from moe_nmt.moe.chunks import layout
from moe_nmt.moe.reused_memory import ReusedMemory

counts_of_experts = st.lists(st.integers(0, 12), min_size=1, max_size=9)


def build(counts, dim=6, hidden=10, seed=0, recompute=False):
    torch.manual_seed(seed)
    experts = Experts(len(counts), dim, hidden, recompute)
    return experts, tokens_like(sum(counts), dim, seed), torch.tensor(counts)


def loop(x, w_in, w_out, counts):
    parts = [(rows @ a).relu() @ b for rows, a, b in zip(x.split(counts), w_in, w_out, strict=True)]
    return torch.cat(parts)


# Padding that costs nothing, something, and more than anything.
costs = pytest.mark.parametrize("worth", [0, 5, 10**6])


@costs
@pytest.mark.parametrize("recompute", [False, True])
def test_formula_and_gradients(worth, recompute, monkeypatch):
    monkeypatch.setattr(chunks, "MULTIPLY_ADDS_PER_CHUNK", worth * 60)

    @given(counts_of_experts, seeds)
    @randomly
    def check(counts, seed):
        experts, x, tokens_per_expert = build(counts, seed=seed, recompute=recompute)
        inputs = [x, experts.w_in, experts.w_out]
        slow_inputs = in_double(*inputs)
        y, slow = experts(x, tokens_per_expert), loop(*slow_inputs, counts)
        assert_all_close([y], [slow])
        assert_all_close(gradients([y], inputs), gradients([slow], slow_inputs))

    check()


@given(counts_of_experts, seeds)
@randomly
def test_the_grouped_path_of_gpus_agrees(counts, seed):
    experts, x, tokens_per_expert = build(counts, dim=8, hidden=16, seed=seed)
    inputs = [x, experts.w_in, experts.w_out]
    one, other = experts(x, tokens_per_expert), experts.grouped(x, tokens_per_expert)
    assert_all_close([one, *gradients([one], inputs)], [other, *gradients([other], inputs)])


def test_gradcheck():
    generator = torch.Generator().manual_seed(0)
    arguments = [
        torch.randn(shape, generator=generator, dtype=torch.float64).requires_grad_()
        for shape in ((6, 2), (3, 2, 3), (3, 3, 2))
    ]
    counts = torch.tensor([4, 0, 2])
    for recompute in (False, True):
        assert torch.autograd.gradcheck(
            lambda *a, r=recompute: feed_forward.feed_forward(*a, counts, r, ReusedMemory()),
            arguments,
        )


@costs
@given(counts_of_experts)
@randomly
def test_layout_pads_every_expert_of_a_chunk_to_its_busiest(worth, counts):
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(chunks, "MULTIPLY_ADDS_PER_CHUNK", worth)
        form = layout(torch.tensor(counts), 1)
    assert sum(form.experts) == len(counts)
    start = row = 0
    expert = iter(counts)
    for number, height in zip(form.experts, form.heights, strict=True):
        mine = [next(expert) for _ in range(number)]
        assert max(mine) == height
        assert min(mine) > 0 or height == 0
        for count in mine:
            if form.position is not None:
                expected = range(start, start + count)
                assert form.position[row : row + count].tolist() == list(expected)
            start, row = start + height, row + count
    if form.position is None:
        assert start == row


def test_small_experts_share_a_chunk_and_large_ones_do_not():
    assert layout(torch.tensor([3, 4, 3, 4]), 256 * 512).experts == [4]
    assert layout(torch.tensor([300, 301]), 256 * 512).experts == [1, 1]
    assert layout(torch.tensor([3, 40]), 256 * 512).experts == [1, 1]
    assert layout(torch.tensor([0, 0, 3, 0]), 256 * 512).experts == [2, 1, 1]


def test_recomputing_keeps_no_hidden_activations():
    def kept(recompute):
        experts, x, counts = build([50, 70, 60], dim=8, hidden=64, recompute=recompute)
        kept = []
        with torch.autograd.graph.saved_tensors_hooks(
            lambda t: kept.append(t.numel()) or t, lambda t: t
        ):
            experts(x, counts)
        return sum(kept)

    assert kept(False) - kept(True) >= 180 * 64


def test_recomputing_gives_the_very_same_numbers():
    results = []
    for recompute in (False, True):
        experts, x, counts = build([5, 0, 9], recompute=recompute)
        y = experts(x, counts)
        results.append([y, *gradients([y], [x, experts.w_in, experts.w_out])])
    for one, other in zip(*results, strict=True):
        assert torch.equal(one, other)


def test_the_grouped_path_recomputes_too():
    experts, x, counts = build([5, 0, 9], dim=8, hidden=16)
    y = torch.utils.checkpoint.checkpoint(experts.grouped, x, counts, use_reentrant=False)
    plain = experts.grouped(x, counts)
    assert torch.equal(y, plain)
    assert_all_close(gradients([y], [x]), gradients([plain], [x]))


def test_gradients_live_on_in_the_same_memory_from_step_to_step():
    experts, x, counts = build([1, 2, 1], dim=40, hidden=60)
    places = []
    for _ in range(4):
        experts.zero_grad()
        experts(x, counts).sum().backward()
        places.append({weight.grad.data_ptr() for weight in experts.parameters()})
    assert places == places[:1] * 4


def test_gradients_that_somebody_keeps_are_not_overwritten():
    experts, x, counts = build([5, 3, 9])
    first = torch.autograd.grad(experts(x, counts).sum(), list(experts.parameters()))
    copies = [gradient.clone() for gradient in first]
    second = torch.autograd.grad(-experts(x, counts).sum(), list(experts.parameters()))
    for gradient, kept, negated in zip(first, copies, second, strict=True):
        assert torch.equal(gradient, kept)
        assert torch.equal(negated, -kept)


def test_gradients_accumulate():
    experts, x, counts = build([5, 3, 9])
    for _ in range(3):
        experts(x, counts).sum().backward()
    once = copy.deepcopy(experts)
    once.zero_grad()
    once(x, counts).sum().backward()
    for three, one in zip(experts.parameters(), once.parameters(), strict=True):
        torch.testing.assert_close(three.grad, 3 * one.grad)


def test_frozen_weights_get_no_gradient():
    experts, x, counts = build([5, 3, 9])
    experts.w_in.requires_grad_(False)
    experts(x, counts).sum().backward()
    assert experts.w_in.grad is None
    assert experts.w_out.grad.any()


def test_compiled_layers_compute_the_same():
    experts, x, counts = build([5, 3, 9])
    compiled = torch.compile(experts, backend="eager")
    assert torch.equal(compiled(x, counts), experts(x, counts))
