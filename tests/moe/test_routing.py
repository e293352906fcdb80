"""The record of a gate's choice."""

import pytest
import torch

from moe_nmt.moe import Routing
from moe_nmt.moe.routing import sum_by_expert


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
