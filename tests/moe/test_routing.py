"""The record of a gate's choice."""

import pytest
import torch

from moe_nmt.moe import Routing
from moe_nmt.moe.routing import count, sum_by_expert, where_true


def test_counts_also_experts_without_tokens():
    expert = torch.tensor([3, 0, 3])
    routing = Routing(
        token=torch.tensor([0, 1, 1]),
        expert=expert,
        gate=torch.tensor([1.0, 0.25, 0.75]),
        importance=torch.zeros(5),
        load=torch.zeros(5),
        auxiliary_loss=torch.zeros(()),
    )
    assert routing.num_experts == 5
    assert routing.tokens_per_expert().tolist() == [1, 0, 0, 2, 0]
    assert sum_by_expert(routing.gate, expert, 5).tolist() == [0.25, 0, 0, 1.75, 0]
    with pytest.raises(AttributeError):
        routing.gate = routing.load


@pytest.mark.parametrize("shape", [(0,), (7,), (3, 5)])
def test_indices_of_a_mask_with_and_without_their_number(shape):
    mask = torch.rand(shape, generator=torch.Generator().manual_seed(3)) < 0.5
    expected = [index for index, value in enumerate(mask.flatten().tolist()) if value]
    assert where_true(mask).tolist() == expected
    assert where_true(mask, len(expected)).tolist() == expected


def test_counting_is_bincount():
    index = torch.tensor([3, 0, 3, 3, 5])
    assert count(index, 7).tolist() == [1, 0, 0, 3, 0, 1, 0]
    assert count(index[:0], 2).tolist() == [0, 0]
