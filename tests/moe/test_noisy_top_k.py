"""Noisy top-k gating and its load estimator against the formulas and against chance itself."""

import torch
from comparisons import assert_all_close, gradients, in_double
from gate_references import kth_excluding, noisy_top_k, recorded_noise, side_by_side, spelled_out
from hypothesis import given
from hypothesis import strategies as st
from moe_checks import randomise, randomly, seeds, sizes, tokens_like
from torch.nn import functional as F

from moe_nmt.moe import NoisyTopKGate
from moe_nmt.moe.noisy_top_k import probability_of_choice


def build(tokens, dim, experts, k, seed, groups=1):
    gate = NoisyTopKGate(dim, experts, k, groups)
    randomise(gate, seed)
    return gate, tokens_like(tokens, dim, seed)


@given(sizes(), seeds, st.booleans())
@randomly
def test_formula_and_gradients(size, seed, training):
    tokens, k = size[0], size[3]
    gate, x = build(*size, seed)
    gate.train(training)
    weights = [x, gate.projection.weight, gate.noise_projection.weight]
    slow_x, w_gate, w_noise = slow_weights = in_double(*weights)
    with recorded_noise() as draws:
        routing = gate(x)
    assert len(draws) == training
    assert routing.token.tolist() == [t for t in range(tokens) for _ in range(k)]
    fast = spelled_out(routing, tokens)
    noise = draws[0].double() if training else None
    slow = noisy_top_k(slow_x, w_gate[0], w_noise[0], k, noise)
    assert_all_close(fast, slow)
    assert_all_close(gradients(fast, weights), gradients(slow, slow_weights), 1e-3, 1e-4)


@given(st.lists(st.integers(1, 4), min_size=2, max_size=4), st.integers(1, 3), seeds)
@randomly
def test_groups_are_separate_gates(group_sizes, k, seed):
    gate, x = build(sum(group_sizes), 5, 3, k, seed, len(group_sizes))
    weights = [x, gate.projection.weight, gate.noise_projection.weight]
    slow_x, w_gate, w_noise = slow_weights = in_double(*weights)
    with recorded_noise() as draws:
        fast = spelled_out(gate(x, torch.tensor(group_sizes)), len(x))
    noise = draws[0].double().split(group_sizes)
    slow = side_by_side(
        [
            noisy_top_k(part, w_gate[i], w_noise[i], k, noise[i])
            for i, part in enumerate(slow_x.split(group_sizes))
        ]
    )
    assert_all_close(fast, slow)
    assert_all_close(gradients(fast, weights), gradients(slow, slow_weights), 1e-3, 1e-4)


def test_noise_is_drawn_afresh_for_every_token_and_expert():
    gate, x = build(50, 4, 6, 2, 0)
    with recorded_noise() as draws:
        gate(x)
        gate(x)
    assert draws[0].shape == (50, 6)
    assert torch.cat(draws).unique().numel() > 590


def test_evaluation_is_free_of_noise_and_counts_tokens():
    gate, x = build(40, 4, 6, 2, 0)
    gate.eval()
    with recorded_noise() as draws:
        one, other = gate(x), gate(x)
    assert not draws
    assert torch.equal(one.gate, other.gate)
    assert torch.equal(one.expert, other.expert)
    assert torch.equal(one.load, one.tokens_per_expert().float())
    assert one.load.sum() == 80


def draw_case(tokens, experts, k, seed):
    """Clean logits, standard deviations and noisy logits as in training, in float64."""
    generator = torch.Generator().manual_seed(seed)
    clean = torch.randn(tokens, experts, generator=generator, dtype=torch.float64)
    std = F.softplus(torch.randn(tokens, experts, generator=generator, dtype=torch.float64))
    noise = torch.randn(tokens, experts, generator=generator, dtype=torch.float64)
    noisy = clean + noise * std
    return clean, noisy, std, noisy.topk(k + 1).values


def standard_errors_from_chance(probability, clean, noisy, std, k, draws=4000):
    """How far P(x, i) is from the share of draws, of the noise of component i alone, in which i
    is among the k largest: the largest distance in standard errors."""
    generator = torch.Generator().manual_seed(0)
    furthest = 0.0
    for t in range(clean.size(0)):
        for i in range(clean.size(1)):
            redrawn = noisy[t].repeat(draws, 1)
            again = torch.randn(draws, generator=generator, dtype=torch.float64)
            redrawn[:, i] = clean[t, i] + std[t, i] * again
            chosen = (redrawn.topk(k).indices == i).any(1).double().mean()
            p = probability[t, i]
            error = (p * (1 - p) / draws).clamp_min(1 / draws**2).sqrt()
            furthest = max(furthest, ((chosen - p).abs() / error).item())
    return furthest


def test_probability_is_that_of_drawing_one_component_again():
    for experts, k in [(5, 2), (4, 1), (6, 5)]:
        clean, noisy, std, top = draw_case(8, experts, k, seed=experts)
        probability = probability_of_choice(clean, noisy, std, top)
        assert standard_errors_from_chance(probability, clean, noisy, std, k) < 4.5


def test_chance_catches_a_threshold_taken_after_the_softmax():
    clean, noisy, std, _ = draw_case(8, 5, 2, seed=5)
    after = torch.softmax(noisy, dim=-1)
    threshold = torch.stack(
        [torch.stack([kth_excluding(row, 2, i) for i in range(5)]) for row in after]
    )
    wrong = torch.special.ndtr((clean - threshold) / std)
    assert standard_errors_from_chance(wrong, clean, noisy, std, 2) > 20


def test_chance_catches_a_threshold_that_does_not_leave_the_component_out():
    clean, noisy, std, top = draw_case(8, 5, 2, seed=5)
    wrong = torch.special.ndtr((clean - top[:, -2:-1]) / std)
    assert standard_errors_from_chance(wrong, clean, noisy, std, 2) > 20


def test_probabilities_of_a_token_add_up_to_k_on_average():
    for experts, k in [(6, 2), (5, 4), (3, 1)]:
        gate, x = build(20_000, 4, experts, k, 0)
        assert abs(gate(x).load.sum().item() / 20_000 - k) < 0.02


def test_load_follows_the_count_of_tokens():
    gate, x = build(20_000, 4, 6, 2, 3)
    routing = gate(x)
    torch.testing.assert_close(routing.load, routing.tokens_per_expert().float(), rtol=0.1, atol=0)


def test_starts_with_the_load_balanced():
    routing = NoisyTopKGate(4, 8, 2)(torch.randn(8000, 4))
    assert routing.tokens_per_expert().min() > 1800
    assert routing.load.min() > 1900


def test_ties_are_broken_once():
    gate = NoisyTopKGate(3, 5, 2).eval()
    routing = gate(torch.ones(4, 3))
    assert torch.equal(routing.gate, torch.full((8,), 0.5))
    for token in range(4):
        assert routing.expert[routing.token == token].unique().numel() == 2


def test_probability_of_ties_is_one_half():
    zeros = torch.zeros(1, 4)
    probability = probability_of_choice(zeros, zeros, torch.ones(1, 4), zeros[:, :3])
    assert torch.equal(probability, torch.full((1, 4), 0.5))


def test_vanished_noise_keeps_everything_finite():
    gate = NoisyTopKGate(2, 3, 1)
    with torch.no_grad():
        gate.projection.weight.copy_(torch.tensor([[1.0, 0.0, -1.0], [0.0, 1.0, 0.0]]))
        gate.noise_projection.weight.fill_(-1e6)
    x = torch.tensor([[1.0, 0.5], [0.5, 1.0]], requires_grad=True)
    routing = gate(x)
    assert routing.expert.tolist() == [0, 1]
    assert routing.load.tolist() == [1, 1, 0]
    for gradient in gradients(spelled_out(routing, 2), [x, *gate.parameters()]):
        assert gradient.isfinite().all()


def test_huge_logits_choose_the_largest():
    gate = NoisyTopKGate(3, 3, 2)
    gate.projection.weight.data.copy_(torch.eye(3) * 1e20)
    x = torch.tensor([[3.0, 2.0, 1.0], [1.0, 2.0, 3.0]], requires_grad=True)
    routing = gate(x)
    assert routing.expert.tolist() == [0, 1, 2, 1]
    assert routing.gate.tolist() == [1, 0, 1, 0]
    assert routing.load.tolist() == [1, 2, 1]
    for gradient in gradients(spelled_out(routing, 2), [x, *gate.parameters()]):
        assert gradient.isfinite().all()


def test_with_one_expert_per_token_the_gate_learns_from_the_load():
    gate, x = build(10, 4, 3, 1, 0)
    routing = gate(x)
    assert torch.equal(routing.gate, torch.ones(10))
    of_gate, of_load = (
        gradients([output], [gate.projection.weight])[0] for output in (routing.gate, routing.load)
    )
    assert not of_gate.any()
    assert of_load.any()
