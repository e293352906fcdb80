"""What torch allows to do with a module is right with the layer, or refused in words."""

from __future__ import annotations

import copy
import io
import pickle
from collections.abc import Callable
from typing import Any

import pytest
import torch
from moe_checks import randomise, tokens_like
from torch import Tensor, nn
from torch.func import functional_call, vmap
from torch.nn.utils import parametrizations, parametrize
from torch.utils.checkpoint import checkpoint

from moe_nmt.moe import MixtureOfExperts, Routing, build_mixture_of_experts, importance_loss

DIM = 8


def build(name: str = "strictly-balanced", groups: int = 1) -> MixtureOfExperts:
    """A layer of 9 experts whose gate has left its start; in training it draws no noise."""
    torch.manual_seed(0)
    layer = build_mixture_of_experts(DIM, 16, 9, 9 if name == "softmax" else 2, name, groups)
    randomise(layer.gate, 0)
    for key, parameter in layer.gate.named_parameters():
        if "threshold" in key:
            parameter.data.fill_(0.2)
    return layer


def loss_of(y: Tensor, routing: Routing) -> Tensor:
    return y.float().square().sum() + importance_loss(routing) + routing.auxiliary_loss


def step(layer: nn.Module, x: Tensor) -> dict[str, Tensor]:
    """The output and all gradients, those of ``x`` too."""
    x = x.detach().clone().requires_grad_()
    y, routing = layer(x)
    layer.zero_grad()
    loss_of(y, routing).backward()
    assert x.grad is not None
    found = {name: p.grad.clone() for name, p in layer.named_parameters() if p.grad is not None}
    return {**found, "x": x.grad, "y": y.detach()}


def assert_equal(found: dict[str, Tensor], expected: dict[str, Tensor]) -> None:
    assert found.keys() == expected.keys()
    for name, tensor in expected.items():
        torch.testing.assert_close(found[name], tensor, rtol=1e-5, atol=1e-6, msg=name)


X = tokens_like(24, DIM, 0).detach()


# Shapes and kinds of input.


@pytest.mark.parametrize("training", [True, False])
@pytest.mark.parametrize("shape", [(4, 6), (2, 3, 4), (24, 1)])
@pytest.mark.parametrize(("name", "groups"), [("softmax", 1), ("strictly-balanced", 3)])
def test_leading_dimensions_count_tokens(
    name: str, groups: int, shape: tuple[int, ...], training: bool
) -> None:
    layer = build(name, groups).train(training)
    expected, found = step(layer, X), step(layer, X.view(*shape, DIM))
    assert found["y"].shape == found["x"].shape == (*shape, DIM)
    assert_equal({n: t.view(expected[n].shape) for n, t in found.items()}, expected)
    assert layer(X.view(*shape, DIM))[1].token.max() < 24


def test_one_token_needs_no_dimension() -> None:
    layer = build().eval()
    torch.testing.assert_close(layer(X[3])[0], layer(X)[0][3])


@pytest.mark.parametrize("shape", [(0, 8), (0, 5, 8), (5, 0, 8)])
@pytest.mark.parametrize("training", [True, False])
def test_no_token_in_any_shape(shape: tuple[int, ...], training: bool) -> None:
    found = step(build().train(training), torch.zeros(shape))
    assert found["y"].shape == found["x"].shape == shape
    assert not found["experts.w_in"].any()


@pytest.mark.parametrize(
    "strange",
    [
        lambda x: x.t().contiguous().t(),
        lambda x: x.repeat(2, 2)[:24, :DIM],
        lambda x: x.view(4, 6, DIM).transpose(0, 1).contiguous().transpose(0, 1),
        lambda x: x.flip(0).flip(0),
    ],
)
def test_how_tokens_lie_in_memory_does_not_matter(strange: Callable[[Tensor], Tensor]) -> None:
    layer = build()
    assert torch.equal(layer(strange(X))[0].flatten(0, -2), layer(X)[0])


@pytest.mark.parametrize(
    ("x", "words"),
    [
        (torch.zeros(24, 7), r"takes tokens of size 8, \[\.\.\., 8\], not a tensor \[24, 7\]"),
        (torch.zeros(8, 24), r"not a tensor \[8, 24\]"),
        (torch.zeros(2, 8, 1), r"not a tensor \[2, 8, 1\]"),
        (torch.zeros(()), r"not a tensor \[\]"),
        (torch.zeros(0), r"not a tensor \[0\]"),
        (torch.zeros(24, 8).long(), "dense floating-point tokens, not torch.int64"),
        (torch.zeros(24, 8).bool(), "dense floating-point tokens, not torch.bool"),
        (torch.zeros(24, 8) + 0j, "dense floating-point tokens, not torch.complex64"),
        (torch.zeros(24, 8).to_sparse(), "in the layout torch.sparse_coo"),
    ],
)
def test_what_holds_no_tokens(x: Tensor, words: str) -> None:
    with pytest.raises(ValueError, match=words):
        build()(x)


# Copies, weights from elsewhere, hooks.


def saved(layer: nn.Module) -> nn.Module:
    file = io.BytesIO()
    torch.save(layer.state_dict(), file)
    file.seek(0)
    other = build()
    randomise(other, 3)
    other.load_state_dict(torch.load(file, weights_only=True))
    return other


def from_meta(layer: nn.Module) -> nn.Module:
    with torch.device("meta"):
        other = build()
    other.to_empty(device="cpu").load_state_dict(layer.state_dict())
    return other


@pytest.mark.parametrize(
    "copied",
    [
        copy.deepcopy,
        copy.copy,
        lambda layer: pickle.loads(pickle.dumps(layer)),
        lambda layer: copy.deepcopy(layer).double().float(),
        lambda layer: copy.deepcopy(layer).share_memory(),
        saved,
        from_meta,
    ],
)
def test_copies_train_the_same(copied: Callable[[nn.Module], nn.Module]) -> None:
    layer = build()
    expected = step(layer, X)
    assert_equal(step(copied(layer), X), expected)


def test_called_with_other_weights() -> None:
    layer, other = build(), build()
    randomise(other.experts, 5)
    weights = {n: p.detach().clone().requires_grad_() for n, p in other.named_parameters()}
    y, routing = functional_call(layer, weights, (X,))
    loss_of(y, routing).backward()
    expected = step(other, X)
    assert torch.equal(y, expected["y"])
    for name, weight in weights.items():
        torch.testing.assert_close(weight.grad, expected[name])
    assert all(parameter.grad is None for parameter in layer.parameters())


def test_parametrized_weights() -> None:
    layer = build()
    expected = step(layer, X)

    class Half(nn.Module):
        def forward(self, weight: Tensor) -> Tensor:
            return weight / 2

        def right_inverse(self, weight: Tensor) -> Tensor:
            return weight * 2

    parametrize.register_parametrization(layer.experts, "w_in", Half())
    found = step(layer, X)
    found["experts.w_in"] = 2 * found.pop("experts.parametrizations.w_in.original")
    assert_equal(found, expected)
    normed = parametrizations.weight_norm(build().experts, "w_out")
    torch.testing.assert_close(normed.w_out, build().experts.w_out)


def test_hooks_see_and_change_what_passes() -> None:
    layer = build()
    expected = step(layer, X)
    seen: list[tuple[str, str]] = []
    for name, module in layer.named_modules():
        module.register_forward_pre_hook(lambda *_, n=name: seen.append((n, "before")))
        module.register_forward_hook(lambda *_, n=name: seen.append((n, "after")))
        module.register_full_backward_hook(lambda *_, n=name: seen.append((n, "backward")))
    assert_equal(step(layer, X), expected)
    for name, _ in layer.named_modules():
        assert {when for n, when in seen if n == name} == {"before", "after", "backward"}
    layer.register_forward_hook(lambda _, __, output: (2 * output[0], output[1]))
    layer.experts.w_in.register_hook(lambda gradient: 3 * gradient)
    doubled = step(layer, X)
    torch.testing.assert_close(doubled["y"], 2 * expected["y"])
    torch.testing.assert_close(doubled["experts.w_in"], 12 * expected["experts.w_in"])


# Gradients.


def test_a_kept_graph_gives_the_same_gradient_again_and_sums_add_up() -> None:
    layer = build()
    x = X.clone().requires_grad_()
    weights = [x, layer.experts.w_in, layer.experts.w_out, layer.gate.projection.weight]
    loss = loss_of(*layer(x))
    first = torch.autograd.grad(loss, weights, retain_graph=True)
    loss.backward(retain_graph=True)
    loss.backward()
    for weight, gradient in zip(weights, first, strict=True):
        torch.testing.assert_close(weight.grad, 2 * gradient)
    with pytest.raises(RuntimeError, match="a second time"):
        loss.backward()


def test_parts_of_a_batch_accumulate() -> None:
    layer = build().eval()
    parts = [step(layer, part)["experts.w_in"] for part in X.split(8)]
    layer.zero_grad()
    for part in X.split(8):
        loss_of(*layer(part)).backward()
    torch.testing.assert_close(layer.experts.w_in.grad, sum(parts))


@pytest.mark.parametrize("frozen", ["experts", "w_in", "w_out", "gate", ""])
@pytest.mark.parametrize("training", [True, False])
def test_frozen_parameters_have_no_gradient_and_others_the_same(
    frozen: str, training: bool
) -> None:
    layer = build().train(training)
    expected = step(layer, X)
    for name, parameter in layer.named_parameters():
        parameter.requires_grad_(frozen not in name)
    layer.zero_grad(set_to_none=True)
    found = step(layer, X)
    assert_equal(found, {n: t for n, t in expected.items() if n in ("x", "y") or frozen not in n})


@pytest.mark.parametrize("mode", [torch.no_grad, torch.inference_mode])
def test_training_goes_on_after_inference(mode: Callable[[], Any]) -> None:
    layer = build()
    expected = step(layer, X)
    with mode():
        assert torch.equal(layer(X)[0], expected["y"])
        layer.eval()(X)
    assert_equal(step(layer.train(), X), expected)


def test_a_weight_changed_in_between_is_noticed() -> None:
    layer = build()
    loss = loss_of(*layer(X))
    with torch.no_grad():
        layer.experts.w_in.mul_(2)
    with pytest.raises(RuntimeError, match="modified by an inplace operation"):
        loss.backward()


def test_its_output_may_be_changed_in_place() -> None:
    layer = build()
    expected = step(layer, X)
    x = X.clone().requires_grad_()
    y, routing = layer(x)
    y.mul_(1)
    loss_of(y, routing).backward()
    torch.testing.assert_close(x.grad, expected["x"])


@pytest.mark.parametrize("reentrant", [True, False])
def test_checkpointed_output(reentrant: bool) -> None:
    layer = build()
    x = X.clone().requires_grad_()
    layer(x)[0].square().sum().backward()
    expected, x.grad = x.grad, None
    y, routing = checkpoint(layer, x, use_reentrant=reentrant)
    y.square().sum().backward()
    torch.testing.assert_close(x.grad, expected)
    assert routing.importance.requires_grad is not reentrant  # it sees tensors of a flat tuple


@pytest.mark.parametrize("scale", [1.0, 3.0])
def test_autocast_gives_gradients_in_the_precision_of_the_weights(scale: float) -> None:
    layer = build()
    expected = step(layer, X * scale)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        found = step(layer, X * scale)
    assert found["y"].dtype == torch.bfloat16
    for name, tensor in expected.items():
        assert name == "y" or found[name].dtype == torch.float32
        assert (found[name].float() - tensor).norm() < 0.05 * tensor.norm() + 1e-6, name


def test_double_and_half_weights() -> None:
    layer = build()
    expected = step(layer, X)
    double = step(copy.deepcopy(layer).double(), X.double())
    assert {tensor.dtype for tensor in double.values()} == {torch.float64}
    assert_equal({name: tensor.float() for name, tensor in double.items()}, expected)
    mixed = step(layer, X.double())
    assert mixed["x"].dtype == torch.float64
    torch.testing.assert_close(mixed["y"].float(), expected["y"])


# What is refused.


@pytest.mark.parametrize("loss", [lambda y: y.sum(), lambda y: y.square().sum()])
@pytest.mark.parametrize("training", [True, False])
def test_second_derivatives(loss: Callable[[Tensor], Tensor], training: bool) -> None:
    """That of a sum would be wrong, not refused, with torch's own means."""
    layer = build().train(training)
    x = X.clone().requires_grad_()
    y, _ = layer(x)
    with pytest.raises(RuntimeError, match="no second derivatives: leave out create_graph=True"):
        torch.autograd.grad(loss(y), x, create_graph=True)


@pytest.mark.parametrize(
    ("use", "error", "words"),
    [
        (lambda f: torch.func.grad(lambda x: f(x).sum())(X), RuntimeError, "functorch transforms"),
        (lambda f: vmap(f)(X.view(4, 6, DIM)), RuntimeError, "functorch transforms"),
        (lambda f: torch.func.jvp(f, (X,), (X,)), RuntimeError, "functorch transforms"),
        (lambda f: f(X.to("meta")), RuntimeError, "chooses by values"),
        (lambda f: torch.jit.trace(f, X), RuntimeError, "chooses by values"),
    ],
)
def test_uses_that_are_refused(
    use: Callable[[Callable[[Tensor], Tensor]], object], error: type[Exception], words: str
) -> None:
    layer = build("softmax").eval()
    with pytest.raises(error, match=words):
        use(lambda x: layer(x)[0])
