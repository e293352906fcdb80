"""Dispatch and combine against loops over assignments."""

import pytest
import torch
from comparisons import assert_all_close, gradients, in_double
from hypothesis import given
from hypothesis import strategies as st
from moe_checks import randomly, seeds, tokens_like

from moe_nmt.moe import Routing
from moe_nmt.moe.dispatch import combine, dispatch


def random_routing(per_token, experts, seed):
    """A routing in which token t has per_token[t] assignments, of random experts and gates."""
    generator = torch.Generator().manual_seed(seed)
    total = sum(per_token)
    return Routing(
        token=torch.arange(len(per_token)).repeat_interleave(torch.tensor(per_token).long()),
        expert=torch.randint(experts, (total,), generator=generator),
        gate=torch.rand(total, generator=generator).requires_grad_(),
        importance=torch.zeros(experts),
        load=torch.zeros(experts),
        auxiliary_loss=torch.zeros(()),
    )


assignments = st.lists(st.integers(0, 3), min_size=0, max_size=8)


@given(assignments, st.integers(1, 5), seeds)
@randomly
def test_dispatch_copies_tokens_to_their_experts_in_order(per_token, experts, seed):
    routing = random_routing(per_token, experts, seed)
    x = tokens_like(len(per_token), 3, seed)
    found = dispatch(x, routing)
    listed = list(zip(routing.token.tolist(), routing.expert.tolist(), strict=True))
    rows = [
        (e, t, a) for e in range(experts) for a, (t, expert) in enumerate(listed) if expert == e
    ]
    assert torch.equal(found.x, x[[t for _, t, _ in rows]])
    assert found.tokens_per_expert.tolist() == [
        sum(expert == e for _, expert in listed) for e in range(experts)
    ]
    assert found.position.tolist() == [
        next(row for row, (_, _, a) in enumerate(rows) if a == assignment)
        for assignment in range(len(listed))
    ]


def slow_combine(output, position, token, gate, tokens):
    rows = [output.new_zeros(output.size(1)) for _ in range(tokens)]
    for assignment, t in enumerate(token.tolist()):
        rows[t] = rows[t] + gate[assignment] * output[position[assignment]]
    return torch.stack(rows) if rows else output.new_zeros(0, output.size(1))


@given(assignments, st.integers(1, 5), seeds)
@randomly
def test_combine_is_the_weighted_sum(per_token, experts, seed):
    routing = random_routing(per_token, experts, seed)
    output = tokens_like(sum(per_token), 3, seed)
    position = dispatch(torch.zeros(len(per_token), 3), routing).position
    slow_output, slow_gate = in_double(output, routing.gate)
    fast = combine(output, position, routing, len(per_token))
    slow = slow_combine(slow_output, position, routing.token, slow_gate, len(per_token))
    assert fast.shape == (len(per_token), 3)
    assert_all_close([fast], [slow])
    assert_all_close(
        gradients([fast], [output, routing.gate]), gradients([slow], [slow_output, slow_gate])
    )


@given(assignments, seeds)
@randomly
def test_combine_undoes_dispatch(per_token, seed):
    routing = random_routing(per_token, 4, seed)
    x = tokens_like(len(per_token), 3, seed)
    found = dispatch(x, routing)
    y = combine(found.x, found.position, routing, len(per_token))
    weight = torch.zeros(len(per_token)).index_add(0, routing.token, routing.gate)
    assert_all_close([y], [x * weight[:, None]])


def test_a_token_without_an_expert_is_zero_and_has_no_gradient():
    routing = random_routing([1, 0, 2, 0], 3, 0)
    x = tokens_like(4, 5, 0)
    found = dispatch(x, routing)
    y = combine(found.x, found.position, routing, 4)
    assert y[0].all()
    assert not y[[1, 3]].any()
    (gradient,) = gradients([y], [x])
    assert gradient[[0, 2]].all()
    assert not gradient[[1, 3]].any()


@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16])
def test_many_experts_add_up_in_half_precision(dtype):
    routing = random_routing([300, 0, 300], 400, 0)
    output = tokens_like(600, 4, 0).detach().add(1).to(dtype).requires_grad_()
    position = dispatch(torch.zeros(3, 4), routing).position
    fast = combine(output, position, routing, 3)
    slow = slow_combine(output.double(), position, routing.token, routing.gate.double(), 3)
    assert fast.dtype == dtype
    assert_all_close([fast], [slow], rtol=1e-2, atol=1e-2)
    of_output, of_gate = gradients([fast], [output, routing.gate])
    slow_of_output, slow_of_gate = gradients([slow], [output, routing.gate])
    assert_all_close([of_output, of_gate], [slow_of_output, slow_of_gate], rtol=2e-2, atol=2e-2)
