"""An LSTM whose matrices are a mixture: against a slow reference, a token at a time."""

import pytest
import torch
from comparisons import assert_all_close
from module_checks import randomise
from module_references import double_weights

from moe_nmt.modules.lstm import LSTMState
from moe_nmt.modules.mixture_lstm import MixtureLSTM
from moe_nmt.moe import build_mixture_of_experts

INPUT, EXPERTS, K = 3, 5, 2
SIZES = [(4, 4), (4, 6)]  # dim, cells; projected where these differ


def build(dim: int, cells: int, gate: str = "noisy-top-k") -> MixtureLSTM:
    k = EXPERTS if gate == "softmax" else K
    mixture = build_mixture_of_experts(INPUT + dim, 8, EXPERTS, k, gate, output_dim=4 * cells)
    layer = MixtureLSTM("decoder_lstm_1", mixture, dim).eval()
    randomise(layer, 0)
    return layer


def slow_sentence(x, dim, cells, weights):
    """Outputs [time, dim] of one sentence, and the experts' importance, by the formulas."""
    hidden, cell = x.new_zeros(dim), x.new_zeros(cells)
    outputs, importance = [], x.new_zeros(EXPERTS)
    for step in x:
        token = torch.cat([step, hidden])
        logits = token @ weights["mixture.gate.projection.weight"][0]
        chosen = logits.topk(K).indices
        shares = torch.softmax(logits[chosen], 0)
        gates = weights["bias"]
        for share, expert in zip(shares, chosen.tolist(), strict=True):
            inner = (token @ weights["mixture.experts.w_in"][expert]).clamp_min(0)
            gates = gates + share * (inner @ weights["mixture.experts.w_out"][expert])
        write, forget, candidate, read = gates.view(4, cells)
        cell = forget.sigmoid() * cell + write.sigmoid() * candidate.tanh()
        hidden = read.sigmoid() * cell.tanh()
        if "projection" in weights:
            hidden = weights["projection"] @ hidden
        outputs.append(hidden)
        importance = importance.index_add(0, chosen, shares)
    return torch.stack(outputs), importance


@pytest.mark.parametrize(("dim", "cells"), SIZES)
def test_outputs_routing_and_gradients_are_those_of_the_formulas(dim: int, cells: int) -> None:
    layer = build(dim, cells)
    lengths = [5, 2, 4]
    x = torch.randn(5, 3, INPUT, generator=torch.Generator().manual_seed(1))
    is_token = torch.arange(5)[:, None] < torch.tensor(lengths)
    y, _, routing = layer(x, is_token)
    weights = double_weights(layer)
    slow = [
        slow_sentence(x[:length, row].double(), dim, cells, weights)
        for row, length in enumerate(lengths)
    ]
    expected = torch.cat([output for output, _ in slow])
    got = torch.cat([y[:length, row] for row, length in enumerate(lengths)])
    torch.testing.assert_close(got.double(), expected, rtol=1e-5, atol=1e-5)
    importance = torch.stack([part for _, part in slow]).sum(0)
    torch.testing.assert_close(routing.importance.double(), importance, rtol=1e-5, atol=1e-5)
    (got.square().sum() + routing.importance.square().sum()).backward()
    (expected.square().sum() + importance.square().sum()).backward()
    assert_all_close(
        [parameter.grad.double() for parameter in layer.parameters() if parameter.grad is not None],
        [
            weights[name].grad
            for name, parameter in layer.named_parameters()
            if parameter.grad is not None
        ],
        rtol=1e-4,
        atol=1e-5,
    )


@pytest.mark.parametrize("gate", ["noisy-top-k", "strictly-balanced", "softmax"])
def test_the_routing_numbers_tokens_in_the_order_of_time(gate: str) -> None:
    layer = build(4, 4, gate)
    x = torch.randn(4, 3, INPUT, generator=torch.Generator().manual_seed(2))
    is_token = torch.arange(4)[:, None] < torch.tensor([4, 1, 3])
    y, _, routing = layer(x, is_token)
    hidden = torch.cat([torch.zeros(1, 3, 4), y[:-1]])
    tokens = torch.cat([x, hidden], dim=-1).flatten(0, 1)[is_token.flatten()]
    whole = layer.mixture.gate(tokens)
    for name in ("token", "expert", "gate", "importance", "load", "auxiliary_loss"):
        torch.testing.assert_close(getattr(routing, name), getattr(whole, name))


@pytest.mark.parametrize(("dim", "cells"), SIZES)
def test_steps_that_go_on_are_one_sequence(dim: int, cells: int) -> None:
    layer = build(dim, cells)
    x, is_token = torch.randn(6, 2, INPUT), torch.ones(6, 2, dtype=torch.bool)
    whole, last, _ = layer(x, is_token)
    state: LSTMState | None = None
    for start, stop in ((0, 1), (1, 4), (4, 6)):
        y, state, _ = layer(x[start:stop], is_token[start:stop], state)
        torch.testing.assert_close(y, whole[start:stop])
    assert_all_close(list(state), list(last))


def test_more_outputs_than_cells() -> None:
    mixture = build_mixture_of_experts(INPUT + 8, 8, EXPERTS, K, output_dim=16)
    with pytest.raises(ValueError, match="cannot project its 4 cells up to 8"):
        MixtureLSTM("decoder_lstm_1", mixture, 8)
