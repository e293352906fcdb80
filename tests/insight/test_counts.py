"""Operations and parameters of each kind of layer, counted by hand."""

import pytest
from small_models import build
from torch import nn

from moe_nmt.insight.counts import gate_operations, lstm_operations, operations, parameters
from moe_nmt.moe import build_gate


@pytest.mark.parametrize(
    ("layer", "count"),
    [
        (nn.LSTM(3, 5), 4 * (3 + 5) * 5),
        (nn.LSTM(3, 5, proj_size=2), 4 * (3 + 2) * 5 + 5 * 2),
    ],
)
def test_operations_of_an_lstm(layer: nn.LSTM, count: int) -> None:
    assert lstm_operations(layer) == count


@pytest.mark.parametrize(
    ("name", "k", "groups", "count"),
    [
        ("softmax", 12, 1, 7 * 12),
        ("strictly-balanced", 2, 1, 7 * 12),
        ("noisy-top-k", 2, 1, 2 * 7 * 12),  # Wg and Wnoise
        ("noisy-top-k", 2, 3, 2 * 7 * (3 + 2 * 4)),  # 2 of 3 groups of 4
    ],
)
def test_operations_of_a_gate(name: str, k: int, groups: int, count: int) -> None:
    assert gate_operations(build_gate(name, 7, 12, k, groups)) == count


def test_counts_of_a_small_model() -> None:
    model = build(attention_feed="output", share_all_embeddings=True)
    assert operations(model) == {
        "LSTM": 4 * 4 * (16 + 16) * 16,
        "experts": 2 * 2 * 2 * 16 * 24,
        "gates": 2 * 2 * 16 * 4,
        "attention": 2 * 16 * 8 + 16 * 16,
        "softmax": 20 * 16,
    }
    lstm = 4 * 4 * (16 + 16 + 2) * 16
    assert parameters(model) == {
        "embeddings": 20 * 16,
        "experts": 2 * 4 * 2 * 16 * 24,
        "other": lstm + 2 * 2 * 16 * 4 + 2 * 16 * 8 + 8 + 16 * 16,
    }
    assert parameters(model).total() == sum(p.numel() for p in model.parameters())
