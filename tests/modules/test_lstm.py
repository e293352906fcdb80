"""LSTM layers against the formulas, step by step and sentence by sentence."""

import math

import pytest
import torch
from comparisons import assert_all_close, gradients, in_double
from hypothesis import given
from hypothesis import strategies as st
from module_checks import draw, randomise, randomly
from module_references import double_weights, run_lstm

from moe_nmt.modules.lstm import (
    BidirectionalLSTM,
    LSTMState,
    lstm,
    reverse,
    side_by_side,
    with_constant_weights,
)

batches = st.lists(st.integers(1, 5), min_size=1, max_size=4)


@given(
    st.integers(1, 4), st.integers(1, 3), st.integers(1, 4), st.integers(1, 4), st.integers(0, 3)
)
@randomly
def test_formula_and_gradients(time, batch, features, dim, more_cells):
    cells = dim + more_cells
    layer = lstm(features, cells, dim)
    randomise(layer, 0)
    x = draw(time, batch, features)
    y, _ = layer(x)
    (slow_x,) = in_double(x)
    weights = double_weights(layer)
    slow = torch.stack([run_lstm(slow_x[:, b], cells, dim, weights) for b in range(batch)], dim=1)
    assert_all_close([y], [slow])
    assert_all_close(
        gradients([y], [x, *layer.parameters()]), gradients([slow], [slow_x, *weights.values()])
    )


def test_only_a_smaller_output_is_projected():
    assert lstm(3, 8, 8).proj_size == 0
    assert lstm(3, 8, 5).proj_size == 5
    assert lstm(3, 8, 5).weight_hh_l0.shape == (32, 5)  # the projection is what recurs
    with pytest.raises(ValueError, match="cannot project its 4 cells up to 5"):
        lstm(3, 4, 5)


@pytest.mark.parametrize("dim", [16, 64])
def test_start(dim):
    layer = lstm(100, 64, dim)
    bias = layer.bias_ih_l0 + layer.bias_hh_l0
    assert bias.view(4, 64)[1].tolist() == [1.0] * 64
    assert not bias.view(4, 64)[[0, 2, 3]].any()
    for weight in layer.all_weights[0]:
        if weight.dim() == 2:
            assert 0.99 / math.sqrt(64) < weight.abs().max() <= 1 / math.sqrt(64)


@given(batches)
@randomly
def test_reverse(lengths):
    x = draw(max(lengths), len(lengths), 2)
    found = reverse(x, torch.tensor(lengths))
    for b, length in enumerate(lengths):
        for t in range(max(lengths)):
            assert torch.equal(found[t, b], x[length - 1 - t if t < length else t, b])
    assert torch.equal(reverse(found, torch.tensor(lengths)), x)
    permuted = gradients([found], [x])[0]
    upstream = gradients([x * 1], [x])[0]
    assert torch.equal(permuted, reverse(upstream, torch.tensor(lengths)))


@given(batches, st.integers(1, 3), st.integers(0, 1))
@randomly
def test_bidirectional_reads_each_sentence_alone_from_both_ends(lengths, half, more_cells):
    cells = half + more_cells
    layer = BidirectionalLSTM(3, 2 * cells, 2 * half)
    randomise(layer, 0)
    x = draw(max(lengths), len(lengths), 3)
    y = layer(x, torch.tensor(lengths))
    (slow_x,) = in_double(x)
    weights = double_weights(layer)
    fast, slow = [], []
    for b, length in enumerate(lengths):
        sentence = slow_x[:length, b]
        ahead = run_lstm(sentence, cells, half, weights, "forward_lstm.")
        back = run_lstm(sentence.flip(0), cells, half, weights, "backward_lstm.").flip(0)
        fast.append(y[:length, b])
        slow.append(torch.cat([ahead, back], dim=-1))
    assert_all_close(fast, slow)
    assert_all_close(
        gradients(fast, [x, *layer.parameters()]), gradients(slow, [slow_x, *weights.values()])
    )


def test_bidirectional_ignores_what_padding_holds():
    layer = BidirectionalLSTM(3, 8, 4)
    x, lengths = draw(5, 2, 3).detach(), torch.tensor([5, 2])
    garbage = x.clone()
    garbage[2:, 1] = 1e6
    one, other = layer(x, lengths), layer(garbage, lengths)
    assert torch.equal(one[:, 0], other[:, 0])
    assert torch.equal(one[:2, 1], other[:2, 1])


@pytest.mark.parametrize(("cells", "dim"), [(8, 3), (7, 4)])
def test_bidirectional_refuses_odd_sizes(cells, dim):
    with pytest.raises(ValueError, match=f"{cells} cells and {dim} outputs have to be even"):
        BidirectionalLSTM(3, cells, dim)


def test_states_are_reordered_and_repeated_by_sentence():
    state = LSTMState(draw(1, 3, 4), draw(1, 3, 6, seed=1))
    order = torch.tensor([2, 0, 0, 1])
    found = state.index_select(order)
    assert isinstance(found, LSTMState)
    assert torch.equal(found.hidden, state.hidden[:, order])
    assert torch.equal(found.cell, state.cell[:, order])


@given(st.integers(1, 6), st.integers(1, 3), st.integers(1, 4), st.integers(0, 3))
@randomly
@torch.no_grad()
def test_steps_with_constant_weights_are_the_whole_sequence(batch, features, dim, more_cells):
    layer = lstm(features, dim + more_cells, dim)
    randomise(layer, 0)
    x = draw(4, batch, features)
    expected, (hidden, cell) = layer(x)
    first, state = layer(x[:1])
    (constant,) = with_constant_weights(torch.nn.Sequential(layer))
    steps = [first]
    for step in x[1:].split(1):
        y, state = constant(step, state)
        steps.append(y)
    assert_all_close([torch.cat(steps), *state], [expected, hidden, cell])


@torch.no_grad()
def test_the_weights_of_the_original_can_change():
    layer = lstm(3, 4, 4)
    x, state = draw(1, 2, 3), (draw(1, 2, 4), draw(1, 2, 4))
    constant = with_constant_weights(layer)
    constant(x, state)
    assert constant.weight_ih_l0 is layer.weight_ih_l0
    for parameter in layer.parameters():
        parameter.data.mul_(2)  # as fairseq's optimizers write: unknown to autograd
    fused, _ = layer(torch.cat([x, x]), state)
    step, _ = layer(x, state)
    assert_all_close([step], [fused[:1]])


@given(st.integers(1, 4), st.integers(1, 3), st.integers(1, 4), st.integers(0, 3), st.booleans())
@randomly
def test_casting_weights_changes_nothing_but_the_precision(time, batch, dim, more_cells, started):
    layer = lstm(dim, dim + more_cells, dim)
    randomise(layer, 0)
    x = draw(time, batch, dim)
    state = (draw(1, batch, dim), draw(1, batch, dim + more_cells)) if started else None
    y, (hidden, cell) = torch.nn.LSTM.forward(layer, x, state)
    same, (same_hidden, same_cell) = layer.in_precision(x, state, torch.float32)
    leaves = [x, *layer.parameters()]
    assert_all_close([same, same_hidden, same_cell], [y, hidden, cell])
    assert_all_close(gradients([same, same_cell], leaves), gradients([y, cell], leaves))

    half, (half_hidden, half_cell) = layer.in_precision(x, state, torch.bfloat16)
    assert {half.dtype, half_hidden.dtype, half_cell.dtype} == {torch.bfloat16}
    assert_all_close([half, half_cell], [y, cell], rtol=0.05, atol=0.05)


def test_weights_side_by_side_are_one_buffer_matrices_first():
    weights = lstm(3, 8, 5).all_weights[0]
    parts = side_by_side(weights, torch.bfloat16)
    matrix_x, matrix_hidden, bias_x, bias_hidden, projection = parts
    in_order = [matrix_x, matrix_hidden, projection, bias_x, bias_hidden]
    assert len({part.untyped_storage().data_ptr() for part in parts}) == 1
    offset = 0
    for part in in_order:
        assert part.storage_offset() == offset
        offset += part.numel()
    assert_all_close(parts, weights, rtol=1e-2, atol=1e-2)
