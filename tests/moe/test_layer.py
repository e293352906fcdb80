"""The whole layer against y = sum_i G(x)_i * E_i(x), token by token."""

import copy

import pytest
import torch
from comparisons import assert_all_close, gradients, in_double
from gate_references import (
    noisy_top_k,
    recorded_noise,
    softmax_gate,
    spelled_out,
    strictly_balanced,
)
from hypothesis import example, given
from hypothesis import strategies as st
from moe_checks import randomise, randomly, seeds, sizes, tokens_like
from threads import in_threads
from torch.utils.checkpoint import checkpoint

from moe_nmt.moe import (
    Experts,
    MixtureOfExperts,
    NoisyTopKGate,
    build_mixture_of_experts,
    importance_loss,
    load_loss,
)

KINDS = [("softmax", 1), ("noisy-top-k", 1), ("strictly-balanced", 1)]
HIERARCHIES = [("softmax", 3), ("noisy-top-k", 3), ("strictly-balanced", 3)]
every_kind = pytest.mark.parametrize(("name", "groups"), KINDS + HIERARCHIES)


def slow_layer(x, gates, w_in, w_out):
    """y = sum_i G(x)_i * E_i(x) over the experts with G(x)_i > 0."""
    rows = []
    for token, gate in zip(x, gates, strict=True):
        y = torch.zeros_like(token)
        for i in range(len(w_in)):
            if gate[i] > 0:
                y = y + gate[i] * ((token @ w_in[i]).clamp_min(0) @ w_out[i])
        rows.append(y)
    return torch.stack(rows)


def build(name="noisy-top-k", groups=1, seed=0):
    """A layer of 9 experts whose gate has left its start."""
    k = {"softmax": 9 // groups}.get(name, 2)
    torch.manual_seed(seed)
    layer = build_mixture_of_experts(8, 16, 9, k, name, groups)
    randomise(layer.gate, seed)
    for key, parameter in layer.gate.named_parameters():
        if "threshold" in key:
            parameter.data.fill_(0.2)
    return layer


@given(sizes(), st.integers(1, 9), seeds)
@example((1, 3, 1, 1), 2, 0)  # one token, one expert
@example((6, 3, 4, 4), 2, 1)  # k = n
@example((6, 3, 5, 1), 2, 2)  # k = 1
@example((1, 3, 5, 2), 2, 3)  # experts without a token
@randomly
def test_noisy_top_k(size, hidden, seed):
    tokens, dim, experts, k = size
    layer = MixtureOfExperts(NoisyTopKGate(dim, experts, k), Experts(experts, dim, hidden))
    randomise(layer, seed)
    x = tokens_like(tokens, dim, seed)
    gate = layer.gate
    weights = [
        x,
        gate.projection.weight,
        gate.noise_projection.weight,
        layer.experts.w_in,
        layer.experts.w_out,
    ]
    slow_x, w_gate, w_noise, w_in, w_out = slow_weights = in_double(*weights)
    with recorded_noise() as draws:
        y, routing = layer(x)
    slow_gates = noisy_top_k(slow_x, w_gate[0], w_noise[0], k, draws[0].double())
    slow_y = slow_layer(slow_x, slow_gates.gates, w_in, w_out)
    fast, slow = [y, *spelled_out(routing, tokens)], [slow_y, *slow_gates]
    assert_all_close(fast, slow, 1e-3, 1e-4)
    assert_all_close(gradients(fast, weights), gradients(slow, slow_weights), 1e-3, 1e-3)


@pytest.mark.parametrize("name", ["softmax", "strictly-balanced"])
@pytest.mark.parametrize("training", [True, False])
def test_other_gates(name, training):
    layer = build(name).train(training)
    x = tokens_like(12, 8, 0)
    weights = [x, layer.gate.projection.weight, layer.experts.w_in, layer.experts.w_out]
    slow_x, w_gate, w_in, w_out = slow_weights = in_double(*weights)
    y, _ = layer(x)
    if name == "softmax":
        slow_gates = softmax_gate(slow_x, w_gate[0])
    else:
        threshold = layer.gate.threshold[0].double()
        slow_gates = strictly_balanced(slow_x, w_gate[0], threshold, 2, training)
    slow_y = slow_layer(slow_x, slow_gates.gates, w_in, w_out)
    assert_all_close([y], [slow_y], 1e-3, 1e-4)
    assert_all_close(gradients([y], weights), gradients([slow_y], slow_weights), 1e-3, 1e-3)


@every_kind
def test_experts_weigh_in_with_the_gates_of_the_routing(name, groups):
    layer = build(name, groups)
    x = tokens_like(20, 8, 0)
    y, routing = layer(x)
    slow = slow_layer(x, spelled_out(routing, 20).gates, layer.experts.w_in, layer.experts.w_out)
    assert_all_close([y], [slow], 1e-3, 1e-4)


@every_kind
@pytest.mark.parametrize("training", [True, False])
@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16, torch.float16])
def test_zero_tokens_forward_and_backward(name, groups, training, dtype):
    layer = build(name, groups).train(training).to(dtype)
    x = torch.zeros(0, 8, dtype=dtype, requires_grad=True)
    y, routing = layer(x)
    assert y.shape == (0, 8)
    assert routing.gate.numel() == 0
    assert routing.load.tolist() == [0] * 9
    loss = importance_loss(routing) + load_loss(routing) + routing.auxiliary_loss
    (y.sum() + loss).backward()
    assert x.grad.shape == (0, 8)
    for parameter in layer.parameters():
        assert parameter.grad is None or not parameter.grad.any()
    assert layer.experts.w_in.grad is not None


@every_kind
def test_one_token(name, groups):
    layer = build(name, groups)
    x = tokens_like(1, 8, 0)
    y, routing = layer(x)
    slow = slow_layer(x, spelled_out(routing, 1).gates, layer.experts.w_in, layer.experts.w_out)
    assert_all_close([y], [slow], 1e-3, 1e-4)
    assert all(gradient.isfinite().all() for gradient in gradients([y], list(layer.parameters())))


@pytest.mark.parametrize("name", ["softmax", "noisy-top-k", "strictly-balanced"])
@pytest.mark.parametrize("training", [True, False])
def test_the_only_expert_is_a_plain_feed_forward_network(name, training):
    layer = build_mixture_of_experts(8, 16, 1, 1, name).train(training)
    randomise(layer, 0)
    if name == "strictly-balanced":
        layer.gate.threshold.data.fill_(0.9)  # p = 1 exceeds it
    x = tokens_like(7, 8, 0)
    y, routing = layer(x)
    plain = (x @ layer.experts.w_in[0]).relu() @ layer.experts.w_out[0]
    assert_all_close([y], [plain], 1e-4, 1e-4)
    assert routing.gate.tolist() == [1] * 7
    assert (routing.importance.tolist(), routing.load.tolist()) == ([7], [7])
    assert importance_loss(routing) == load_loss(routing) == 0


@pytest.mark.parametrize("name", ["noisy-top-k", "strictly-balanced"])
def test_with_k_equal_to_n_every_gate_is_the_dense_one(name):
    sparse = build_mixture_of_experts(8, 16, 5, 5, name)
    dense = build_mixture_of_experts(8, 16, 5, 5, "softmax")
    randomise(sparse, 0)
    sparse.train(name == "strictly-balanced")  # no noise; the mask of the batch, not thresholds
    dense.experts.load_state_dict(sparse.experts.state_dict())
    dense.gate.projection.load_state_dict(sparse.gate.projection.state_dict())
    x = tokens_like(11, 8, 0)
    (y, routing), (expected, dense_routing) = sparse(x), dense(x)
    inputs = [(layer, [x, *layer.gate.projection.parameters()]) for layer in (sparse, dense)]
    assert_all_close(
        [y, *gradients([y], inputs[0][1])],
        [expected, *gradients([expected], inputs[1][1])],
        1e-3,
        1e-4,
    )
    assert_all_close(
        [routing.importance, routing.load], [dense_routing.importance, dense_routing.load]
    )


@pytest.mark.parametrize("name", ["softmax", "noisy-top-k", "strictly-balanced"])
@pytest.mark.parametrize("training", [True, False])
def test_logits_that_overflow_leave_everything_finite(name, training):
    """Expert 0's logits are +inf, -inf and 0 for the three tokens."""
    layer = build(name).train(training)
    layer.gate.projection.weight.data[0, :, 0] = 1e30
    x = torch.zeros(3, 8)
    x[0], x[1], x[2, :4], x[2, 4:] = 1e10, -1e10, 1, -1
    x.requires_grad_()
    y, routing = layer(x)
    loss = importance_loss(routing) + load_loss(routing) + routing.auxiliary_loss
    assert loss.isfinite()
    assert y.isfinite().all()
    gates = spelled_out(routing, 3).gates
    assert gates[0, 0] == 1
    assert gates[1, 0] == 0
    for gradient in gradients([y, loss], [x, *layer.parameters()]):
        assert gradient.isfinite().all()


@every_kind
def test_compiling_changes_nothing(name, groups):
    layer = build(name, groups)
    x = tokens_like(15, 8, 0)

    def losses(x):
        y, routing = layer(x)
        return y, importance_loss(routing) + load_loss(routing) + routing.auxiliary_loss

    results = []
    for run in (losses, torch.compile(losses, backend="eager")):
        torch.manual_seed(0)
        layer.zero_grad()
        x.grad = None
        y, loss = run(x)
        (y.square().sum() + loss).backward()
        results.append([y, x.grad, *(p.grad for p in layer.parameters() if p.grad is not None)])
    assert_all_close(*results)


@every_kind
def test_evaluation_is_deterministic_and_equivariant_to_the_order_of_tokens(name, groups):
    layer = build(name, groups).eval()
    x = tokens_like(40, 8, 0)
    order = torch.randperm(40, generator=torch.Generator().manual_seed(0))
    y, routing = layer(x)
    assert torch.equal(layer(x)[0], y)
    permuted, other = layer(x[order])
    assert_all_close([permuted], [y[order]])
    assert_all_close(
        [spelled_out(other, 40).gates, other.importance, other.load],
        [spelled_out(routing, 40).gates[order], routing.importance, routing.load],
    )


@every_kind
@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16])
def test_half_precision_and_autocast_choose_as_float32_does(name, groups, dtype):
    layer = build(name, groups).to(dtype)
    x = tokens_like(30, 8, 0).detach().to(dtype)

    def run(layer, x):
        torch.manual_seed(0)
        return layer(x)

    half, half_routing = run(layer, x)
    with torch.autocast("cpu", dtype=dtype):
        cast, cast_routing = run(copy.deepcopy(layer).float(), x.float())
    full, full_routing = run(copy.deepcopy(layer).float(), x.float())
    assert (half.dtype, cast.dtype, full.dtype) == (dtype, dtype, torch.float32)
    for routing in (half_routing, cast_routing):
        assert torch.equal(routing.expert, full_routing.expert)
        assert torch.equal(routing.gate, full_routing.gate)
        assert torch.equal(routing.load, full_routing.load)
    assert torch.equal(half, cast)
    assert_all_close([half], [full], rtol=2e-2, atol=3e-2)


@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16])
def test_gradients_in_half_precision_are_close(dtype):
    layer = build().to(dtype)
    full = copy.deepcopy(layer).float()
    x = tokens_like(200, 8, 0).detach().to(dtype).requires_grad_()
    full_x = x.detach().float().requires_grad_()
    for a_layer, an_x in ((layer, x), (full, full_x)):
        torch.manual_seed(0)
        y, _ = a_layer(an_x)
        y.float().square().sum().backward()
    assert x.grad.dtype == layer.experts.w_in.grad.dtype == dtype
    halves = [x.grad, *(p.grad for p in layer.parameters() if p.grad is not None)]
    fulls = [full_x.grad, *(p.grad for p in full.parameters() if p.grad is not None)]
    for one, other in zip(halves, fulls, strict=True):
        assert (one.float() - other).norm() < 0.03 * other.norm()


@every_kind
def test_copies_and_state_dicts_compute_the_same(name, groups):
    layer = build(name, groups, seed=0).eval()
    loaded = build(name, groups, seed=1).eval()
    x = tokens_like(10, 8, 0)
    assert not torch.equal(loaded(x)[0], layer(x)[0])
    loaded.load_state_dict(layer.state_dict())
    assert torch.equal(loaded(x)[0], layer(x)[0])
    assert torch.equal(copy.deepcopy(layer)(x)[0], layer(x)[0])


@every_kind
@pytest.mark.parametrize("reentrant", [True, False])
def test_checkpointing_changes_nothing(name, groups, reentrant):
    layer = build(name, groups)
    x = tokens_like(15, 8, 0)

    def losses(x):
        y, routing = layer(x)
        return y, importance_loss(routing) + load_loss(routing) + routing.auxiliary_loss

    results = []
    for run in (losses, lambda x: checkpoint(losses, x, use_reentrant=reentrant)):
        torch.manual_seed(0)
        layer.zero_grad()
        x.grad = None
        y, loss = run(x)
        (y.square().sum() + loss).backward()
        results.append([y, x.grad, *(p.grad for p in layer.parameters() if p.grad is not None)])
    for one, other in zip(*results, strict=True):
        assert torch.equal(one, other)


def test_only_the_chosen_experts_compute():
    layer = build().eval()
    x = tokens_like(1, 8, 0)
    y, routing = layer(x)
    idle = [i for i in range(9) if i not in routing.expert]
    assert len(idle) == 7
    layer.experts.w_in.data[idle] = torch.nan
    assert torch.equal(layer(x)[0], y)


@pytest.mark.parametrize("training", [True, False])
@pytest.mark.parametrize(("name", "groups"), [("softmax", 1), ("strictly-balanced", 3)])
def test_threads_may_share_a_layer(name, groups, training):
    """Gates without noise, which would not be the same twice."""
    layer = build(name, groups).train(training)
    parameters = list(layer.parameters())
    inputs = [tokens_like(20 + 5 * seed, 8, seed) for seed in range(6)]

    def step(index):
        x = inputs[index]
        y, routing = layer(x)
        loss = y.square().sum() + importance_loss(routing) + routing.auxiliary_loss
        found = torch.autograd.grad(loss, [x, *parameters], allow_unused=True)
        return [y, *(gradient for gradient in found if gradient is not None)]

    alone = [step(index) for index in range(6)]
    for found, expected in zip(
        in_threads(6, lambda index: [step(index) for _ in range(20)]), alone, strict=True
    ):
        for one in found:
            assert all(map(torch.equal, one, expected))


def test_sizes_that_do_not_fit_are_refused():
    with pytest.raises(ValueError, match="among 4 experts, but there are 5"):
        MixtureOfExperts(NoisyTopKGate(8, 4, 2), Experts(5, 8, 16))
