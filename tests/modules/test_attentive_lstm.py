"""The decoder's first layer, both feeds, against loops over sentences and steps."""

import pytest
import torch
from comparisons import assert_all_close, gradients, in_double
from hypothesis import given
from hypothesis import strategies as st
from module_checks import draw, is_token, randomise, randomly
from module_references import attend, double_weights, lstm_step

from moe_nmt.modules.attention import ATTENTIONS
from moe_nmt.modules.attentive_lstm import FEEDS, InputFedLSTM, OutputFedLSTM

every_feed = pytest.mark.parametrize("feed", FEEDS)
every_attention = pytest.mark.parametrize("kind", ATTENTIONS)
DIM = 4


def build(feed, kind="product", cells=6, dropout=0.0):
    layer = FEEDS[feed](DIM, cells, ATTENTIONS[kind](DIM, 3), dropout)
    randomise(layer, 0)
    return layer


def source(lengths, seed=5):
    """Encoder outputs [batch, source, dim] and their padding [batch, source]."""
    return draw(len(lengths), max(lengths), DIM, seed=seed), ~is_token(lengths).t()


def slow_output_fed(x, values, weights, kind, cells):
    """y_t = x_t + h_t + c_t Wc, with h the LSTM's output and c_t its context; one sentence."""
    hidden, cell = x.new_zeros(DIM), x.new_zeros(cells)
    outputs, attention = [], []
    for step in x:
        hidden, cell = lstm_step(step, hidden, cell, weights, "lstm.")
        query = step + hidden
        context, shares = attend(kind, values, query, weights, "attention.")
        outputs.append(query + weights["context_projection.weight"] @ context)
        attention.append(shares)
    return torch.stack(outputs), torch.stack(attention), hidden, cell, context


def slow_input_fed(x, values, weights, kind, cells):
    """y_t = x_t + h_t, the LSTM's input being x_t beside the context of step t - 1."""
    hidden, cell, context = x.new_zeros(DIM), x.new_zeros(cells), x.new_zeros(DIM)
    outputs, attention = [], []
    for step in x:
        hidden, cell = lstm_step(torch.cat([step, context]), hidden, cell, weights, "lstm.")
        context, shares = attend(kind, values, hidden, weights, "attention.")
        outputs.append(step + hidden)
        attention.append(shares)
    return torch.stack(outputs), torch.stack(attention), hidden, cell, context


@every_feed
@every_attention
@given(
    lengths=st.lists(st.integers(1, 3), min_size=1, max_size=3),
    time=st.integers(1, 4),
    cells=st.integers(DIM, 6),
)
@randomly
def test_formula_and_gradients(feed, kind, lengths, time, cells):
    layer = build(feed, kind, cells)
    assert bool(layer.lstm.proj_size) == (cells > DIM)
    values, padding = source(lengths)
    x = draw(time, len(lengths), DIM)
    found = layer(x, layer.attention.memory(values, padding), None)
    weights = double_weights(layer)
    slow_x, slow_values = in_double(x, values)
    reference = slow_output_fed if feed == "output" else slow_input_fed
    fast, slow = [], []
    for b, length in enumerate(lengths):
        slow += reference(slow_x[:, b], slow_values[b, :length], weights, kind, cells)
        state = found.state
        fast += [found.x[:, b], found.attention[b, :, :length]]
        fast += [state.lstm.hidden[0, b], state.lstm.cell[0, b], state.context[0, b]]
        assert not found.attention[b, :, length:].any()
    assert_all_close(fast, slow)
    assert_all_close(
        gradients(fast, [x, values, *layer.parameters()]),
        gradients(slow, [slow_x, slow_values, *weights.values()]),
        rtol=1e-3,
        atol=1e-4,
    )


@every_feed
@pytest.mark.parametrize("cells", [DIM, 6])
@pytest.mark.parametrize("parts", [[1] * 5, [2, 3], [4, 1]])
def test_the_whole_sequence_equals_parts_with_the_state_carried(feed, cells, parts):
    layer = build(feed, cells=cells)
    values, padding = source([3, 5, 2])
    memory = layer.attention.memory(values, padding)
    x = draw(5, 3, DIM)
    whole = layer(x, memory, None)
    outputs, attention, state = [], [], None
    for part in x.split(parts):
        step = layer(part, memory, state)
        state = step.state
        outputs.append(step.x)
        attention.append(step.attention)
    stepwise = [torch.cat(outputs), torch.cat(attention, dim=1), *state.lstm, state.context]
    together = [whole.x, whole.attention, *whole.state.lstm, whole.state.context]
    assert_all_close(stepwise, together)
    inputs = [x, values, *layer.parameters()]
    assert_all_close(gradients(stepwise, inputs), gradients(together, inputs), atol=1e-4)


@every_feed
def test_no_target_position_depends_on_a_later_one(feed):
    layer = build(feed)
    values, padding = source([3, 5])
    memory = layer.attention.memory(values, padding)
    x = draw(5, 2, DIM)
    (gradient,) = torch.autograd.grad(layer(x, memory, None).x[2].sum(), [x])
    assert gradient[:3].all()
    assert not gradient[3:].any()


@every_feed
def test_states_are_reordered_and_repeated_by_sentence(feed):
    layer = build(feed)
    values, padding = source([3, 5, 2])
    memory = layer.attention.memory(values, padding)
    x, order = draw(4, 3, DIM), torch.tensor([2, 0, 0, 1])
    state = layer(x[:2], memory, None).state
    expected = layer(x[2:], memory, state)
    reordered = layer(x[2:, order], memory.index_select(order), state.index_select(order))
    assert_all_close([reordered.x], [expected.x[:, order]])
    assert_all_close([reordered.attention], [expected.attention[order]])


def test_where_dropout_falls():
    values, padding = source([3, 5])
    x = draw(4, 2, DIM)
    for feed in FEEDS:
        layer = build(feed, dropout=1.0)
        memory = layer.attention.memory(values, padding)
        assert torch.equal(layer(x, memory, None).x, x)  # the residual connection alone is left
        layer.eval()
        assert_all_close([layer(x, memory, None).x], [build(feed)(x, memory, None).x])


def test_dropout_of_the_input_fed_output_does_not_enter_the_recurrence():
    values, padding = source([3, 5])
    x = draw(4, 2, DIM)
    states = []
    for dropout in (0.0, 0.9):
        layer = build("input", dropout=dropout)
        states.append(layer(x, layer.attention.memory(values, padding), None).state)
    assert_all_close([*states[0].lstm, states[0].context], [*states[1].lstm, states[1].context])


@every_feed
@pytest.mark.parametrize("mode", ["cast", "autocast"])
def test_half_precision_is_close(feed, mode):
    layer = build(feed)
    values, padding = source([3, 5])
    x = draw(4, 2, DIM)
    full = layer(x, layer.attention.memory(values, padding), None).x
    if mode == "cast":
        layer.bfloat16()
        memory = layer.attention.memory(values.bfloat16(), padding)
        half = layer(x.bfloat16(), memory, None).x
        assert half.dtype == torch.bfloat16
    else:
        with torch.autocast("cpu", dtype=torch.bfloat16):
            half = layer(x, layer.attention.memory(values, padding), None).x
    assert_all_close([half], [full], rtol=5e-2, atol=5e-2)
    assert gradients([half], [x])[0].isfinite().all()


def test_names():
    assert FEEDS["output"] is OutputFedLSTM
    assert FEEDS["input"] is InputFedLSTM
