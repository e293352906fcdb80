"""The interface of all gates, and their shared projection."""

import pytest
import torch
from comparisons import assert_all_close, gradients, in_double
from hypothesis import given
from hypothesis import strategies as st
from moe_checks import randomise, randomly, seeds, tokens_like

from moe_nmt.moe import GATES, build_gate
from moe_nmt.moe.gate import GateProjection


@pytest.mark.parametrize("name", GATES)
def test_projections_start_at_zero(name):
    gate = build_gate(name, 5, 4, 4)
    weights = [weight for key, weight in gate.named_parameters() if "projection" in key]
    assert len(weights) == (2 if name == "noisy-top-k" else 1)
    for weight in weights:
        assert weight.shape == (1, 5, 4)
        assert not weight.any()


@given(st.lists(st.integers(0, 4), min_size=1, max_size=4), st.integers(1, 9), seeds)
@randomly
def test_every_group_is_projected_by_its_own_matrix(group_sizes, dim, seed):
    experts = seed % 7 + 1
    projection = GateProjection(dim, experts, len(group_sizes))
    randomise(projection, seed)
    x = tokens_like(sum(group_sizes), dim, seed)
    slow_x, slow_weight = in_double(x, projection.weight)
    fast = projection(x, torch.tensor(group_sizes))
    parts = zip(slow_x.split(group_sizes), slow_weight, strict=True)
    slow = torch.cat([part @ weight for part, weight in parts])
    assert_all_close([fast], [slow])
    assert_all_close(
        gradients([fast], [x, projection.weight]), gradients([slow], [slow_x, slow_weight])
    )


@pytest.mark.parametrize("name", GATES)
def test_several_groups_need_their_sizes(name):
    gate = build_gate(name, 4, 2, 2).__class__(4, 2, 2, groups=3)
    with pytest.raises(ValueError, match="needs group_sizes"):
        gate(torch.zeros(6, 4))


@pytest.mark.parametrize("name", GATES)
@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16])
def test_gates_compute_in_float32(name, dtype):
    k = 3 if name == "softmax" else 2
    gate = build_gate(name, 8, 3, k)
    randomise(gate, 0)
    gate.to(dtype)
    x = tokens_like(20, 8, 0).to(dtype)

    def routed(gate, x):
        torch.manual_seed(1)
        return gate(x)

    half = routed(gate, x)
    with torch.autocast("cpu", dtype=dtype):
        under_autocast = routed(gate, x)
    full = routed(gate.float(), x.float())
    for routing in (half, under_autocast):
        for name_of_field in ("gate", "importance", "load", "auxiliary_loss"):
            assert getattr(routing, name_of_field).dtype == torch.float32
            assert torch.equal(getattr(routing, name_of_field), getattr(full, name_of_field))
        assert torch.equal(routing.expert, full.expert)


@pytest.mark.parametrize("name", GATES)
def test_gradients_arrive_in_the_precision_of_the_weights(name):
    gate = build_gate(name, 8, 3, 3).bfloat16()
    x = tokens_like(6, 8, 0).detach().bfloat16().requires_grad_()
    routing = gate(x)
    (routing.gate.square().sum() + routing.auxiliary_loss).backward()
    assert x.grad.dtype == torch.bfloat16
    assert all(p.grad is None or p.grad.dtype == torch.bfloat16 for p in gate.parameters())


def test_the_representation_names_the_sizes():
    assert "dim=8, experts=3, k=2, groups=1" in repr(build_gate("noisy-top-k", 8, 3, 2))
