"""The stack of LSTM layers and mixtures: order, padding, states."""

import pytest
import torch
from comparisons import assert_all_close, gradients, in_double
from hypothesis import given
from hypothesis import strategies as st
from module_checks import draw, is_token, randomise, randomly
from module_references import double_weights, run_lstm

from moe_nmt.modules.lstm import BidirectionalLSTM, lstm
from moe_nmt.modules.stack import NamedMixture, RecurrentStack, ResidualMixture
from moe_nmt.moe import build_mixture_of_experts
from moe_nmt.moe.routing import where_true

DIM, CELLS, EXPERTS, K = 4, 6, 5, 2


def build(positions=(1,), layers=2, bidirectional=False, dropout=0.0, gate="noisy-top-k"):
    first = (BidirectionalLSTM if bidirectional else lstm)(DIM, CELLS, DIM)
    stack = RecurrentStack(
        [first, *(lstm(DIM, CELLS, DIM) for _ in range(layers - 1))],
        {
            p: NamedMixture(f"mixture_{p}", build_mixture_of_experts(DIM, 8, EXPERTS, K, gate))
            for p in positions
        },
        dropout,
    )
    randomise(stack, 0)
    return stack


def slow_mixture(token, weights, prefix):
    """sigmoid(sum_i G(x)_i E_i(x)) with the top-k gate of evaluation, for one token."""
    logits = token @ weights[f"{prefix}gate.projection.weight"][0]
    kept = logits.topk(K).indices.tolist()
    total = sum(logits[i].exp() for i in kept)
    w_in, w_out = weights[f"{prefix}experts.w_in"], weights[f"{prefix}experts.w_out"]
    return sum(
        logits[i].exp() / total * ((token @ w_in[i]).clamp_min(0) @ w_out[i]) for i in kept
    ).sigmoid()


def slow_stack(sentence, weights, layers, positions, bidirectional):
    """One sentence [time, dim] without padding."""
    x = sentence
    for position in range(layers + 1):
        if position in positions:
            prefix = f"mixtures.{position}.mixture."
            x = torch.stack([token + slow_mixture(token, weights, prefix) for token in x])
        if position == layers:
            return x
        prefix = f"layers.{position}."
        if bidirectional and position == 0:
            halves = CELLS // 2, DIM // 2, weights
            ahead = run_lstm(x, *halves, f"{prefix}forward_lstm.")
            back = run_lstm(x.flip(0), *halves, f"{prefix}backward_lstm.").flip(0)
            x = x + torch.cat([ahead, back], dim=-1)
        else:
            x = x + run_lstm(x, CELLS, DIM, weights, prefix)
    return x


@given(
    st.lists(st.integers(1, 4), min_size=1, max_size=3),
    st.sets(st.integers(0, 3)),
    st.integers(1, 3),
    st.booleans(),
)
@randomly
def test_formula_and_gradients(lengths, positions, layers, bidirectional):
    """Each sentence of a padded batch comes out as if it were alone."""
    positions = {position for position in positions if position <= layers}
    stack = build(positions, layers, bidirectional).eval()
    x = draw(max(lengths), len(lengths), DIM, seed=1)
    found = stack(x, is_token(lengths))
    weights = double_weights(stack)
    (slow_x,) = in_double(x)
    fast = [found.x[:length, b] for b, length in enumerate(lengths)]
    slow = [
        slow_stack(slow_x[:length, b], weights, layers, positions, bidirectional)
        for b, length in enumerate(lengths)
    ]
    assert_all_close(fast, slow, rtol=1e-3, atol=1e-4)
    assert_all_close(
        gradients(fast, [x, *stack.parameters()]),
        gradients(slow, [slow_x, *weights.values()]),
        rtol=1e-3,
        atol=1e-3,
    )
    assert set(found.routings) == {f"mixture_{position}" for position in positions}
    assert len(found.states) == layers - bidirectional


@pytest.mark.parametrize("gate", ["noisy-top-k", "strictly-balanced"])
@pytest.mark.parametrize("bidirectional", [False, True])
def test_padding_never_reaches_a_mixture_in_training(gate, bidirectional):
    stack = build((0, 1, 2), 2, bidirectional, gate=gate)
    mask = is_token([5, 2, 3])
    x = draw(5, 3, DIM, seed=1).detach()
    garbage = x.masked_fill(~mask[:, :, None], 1e6).requires_grad_()
    x.requires_grad_()
    found = []
    for batch in (x, garbage):
        torch.manual_seed(0)
        found.append(stack(batch, mask))
    for position in range(3):
        one, other = (output.routings[f"mixture_{position}"] for output in found)
        assert torch.equal(one.expert, other.expert)
        assert torch.equal(one.gate, other.gate)
        assert torch.equal(one.load, other.load)
        assert one.token.max() < 10
        share = 10 * K if gate == "noisy-top-k" else EXPERTS * (10 * K // EXPERTS)
        assert one.tokens_per_expert().sum() == share
    assert torch.equal(found[0].x[mask], found[1].x[mask])
    inputs = [x, *stack.parameters()]
    one = gradients([found[0].x[mask]], inputs)
    other = gradients([found[1].x[mask]], [garbage, *inputs[1:]])
    assert_all_close(other, one)
    assert not one[0][~mask].any()
    assert one[0][mask].all()


def test_a_batch_of_padding_alone():
    stack = build()
    x = draw(3, 2, DIM, seed=1)
    found = stack(x, torch.zeros(3, 2, dtype=torch.bool))
    assert found.routings["mixture_1"].gate.numel() == 0
    assert all(g.isfinite().all() for g in gradients([found.x], [x, *stack.parameters()]))


@pytest.mark.parametrize("parts", [[1] * 5, [2, 3], [4, 1]])
def test_the_whole_sequence_equals_parts_with_the_states_carried(parts):
    stack = build((0, 1, 2), 2).eval()
    x, mask = draw(5, 3, DIM, seed=1), is_token([5, 5, 5])
    whole = stack(x, mask)
    outputs, states = [], None
    for part, part_mask in zip(x.split(parts), mask.split(parts), strict=True):
        step = stack(part, part_mask, states)
        states = step.states
        outputs.append(step.x)
    assert len(states) == 2
    together = [whole.x, *(tensor for state in whole.states for tensor in state)]
    stepwise = [torch.cat(outputs), *(tensor for state in states for tensor in state)]
    assert_all_close(stepwise, together)
    inputs = [x, *stack.parameters()]
    assert_all_close(gradients(stepwise, inputs), gradients(together, inputs), atol=1e-4)


def test_dropout_falls_on_the_output_of_every_layer_and_mixture():
    x, mask = draw(4, 2, DIM, seed=1), is_token([4, 3])
    stack = build((0, 1, 2), 2, dropout=1.0)
    assert torch.equal(stack(x, mask).x, x)  # the residual connections alone are left
    stack.eval()
    assert torch.equal(stack(x, mask).x, build((0, 1, 2), 2).eval()(x, mask).x)


def test_a_mixture_adds_between_zero_and_one():
    layer = ResidualMixture("mixture", build_mixture_of_experts(DIM, 8, EXPERTS, K), 0.0)
    x, mask = draw(4, 2, DIM, seed=1), is_token([4, 3])
    index = where_true(mask)
    y, routing = layer(x, index)
    added = (y - x)[mask]
    assert ((added > 0) & (added < 1)).all()
    mixed, _ = layer.eval().mixture(x[mask])
    assert_all_close([(layer(x, index)[0] - x)[mask]], [mixed.sigmoid()])
    assert torch.equal(y[~mask], x[~mask])
    assert routing.token.max() == 6


def test_tokens_are_found_alike_whether_they_were_counted_or_not():
    for lengths in ([4, 3, 1], [2], [0, 0]):
        mask = is_token(lengths, time=4)
        expected = [
            time * len(lengths) + i for time in range(4) for i, n in enumerate(lengths) if time < n
        ]
        for count in (None, sum(lengths)):
            assert where_true(mask, count).tolist() == expected


@pytest.mark.parametrize("mode", ["cast", "autocast"])
def test_half_precision_is_close(mode):
    stack = build((1,), 2, True)
    x, mask = draw(4, 3, DIM, seed=1), is_token([4, 2, 3])
    stack.mixtures["1"].mixture.gate.projection.weight.data.zero_()
    stack.eval()
    full = stack(x, mask).x
    if mode == "cast":
        half = stack.bfloat16()(x.bfloat16(), mask).x
        assert half.dtype == torch.bfloat16
    else:
        with torch.autocast("cpu", dtype=torch.bfloat16):
            half = stack(x, mask).x
        assert half.dtype == torch.float32
    assert_all_close([half[mask]], [full[mask]], rtol=5e-2, atol=8e-2)


@pytest.mark.parametrize("position", [-1, 3])
def test_positions_outside_the_stack_are_refused(position):
    with pytest.raises(ValueError, match=f"2 layers has no position {position} for a mixture"):
        build((position,), 2)


@pytest.mark.parametrize("shape", [(2, 5), (5, 3), (5,), (5, 2, 1)])
def test_a_mask_of_another_shape_is_refused(shape):
    with pytest.raises(ValueError, match=r"must be \[time, batch\] as of x \[5, 2, 4\]"):
        build()(draw(5, 2, DIM), torch.ones(shape, dtype=torch.bool))
