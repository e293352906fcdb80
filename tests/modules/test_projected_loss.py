"""The fused loss against the definition, token by token."""

import pytest
import torch
from comparisons import assert_all_close, gradients, in_double
from hypothesis import given
from hypothesis import strategies as st
from module_checks import draw, randomly
from module_references import smoothed_loss
from torch.utils._python_dispatch import TorchDispatchMode

from moe_nmt.modules import projected_loss
from moe_nmt.modules.projected_loss import projected_cross_entropy

smoothings = st.sampled_from([0.0, 0.1, 0.5])


def case(tokens, words, dim):
    target = torch.randint(words, (tokens,), generator=torch.Generator().manual_seed(2))
    return draw(tokens, dim), draw(words, dim, seed=1), target


@given(st.integers(1, 7), st.integers(2, 9), st.integers(1, 5), smoothings)
@randomly
def test_formula_and_gradients(tokens, words, dim, smoothing):
    features, weight, target = case(tokens, words, dim)
    slow_features, slow_weight = in_double(features, weight)
    fast = projected_cross_entropy(features, weight, target, smoothing)
    slow = smoothed_loss(slow_features, slow_weight, target, smoothing)
    assert_all_close(fast, slow)
    assert_all_close(
        gradients(fast[:1], [features, weight]), gradients(slow[:1], [slow_features, slow_weight])
    )


def test_values_by_hand():
    """Two words of equal logits: each token costs log 2, whatever the smoothing."""
    features, weight = torch.ones(3, 2), torch.ones(2, 2)
    for smoothing in (0.0, 0.3):
        losses = projected_cross_entropy(features, weight, torch.tensor([0, 1, 0]), smoothing)
        assert losses.smoothed.item() == pytest.approx(3 * 0.693147, rel=1e-5)
        assert losses.negative_log_likelihood.item() == pytest.approx(3 * 0.693147, rel=1e-5)


@pytest.mark.parametrize("rows", [1, 2, 3, 7])
def test_blocks_change_nothing(monkeypatch, rows):
    features, weight, target = case(7, 9, 4)
    whole = projected_cross_entropy(features, weight, target, 0.1)
    monkeypatch.setattr(projected_loss, "CPU_ROWS", rows)
    blocks = projected_cross_entropy(features, weight, target, 0.1)
    assert_all_close(blocks, whole)
    inputs = [features, weight]
    assert_all_close(gradients(blocks[:1], inputs), gradients(whole[:1], inputs))


def test_agrees_with_torch():
    features, weight, target = case(20, 50, 8)
    losses = projected_cross_entropy(features, weight, target, 0.0)
    expected = torch.nn.functional.cross_entropy(features @ weight.t(), target, reduction="sum")
    assert_all_close(losses, [expected, expected])


def test_no_tokens():
    features, weight, target = case(0, 9, 4)
    losses = projected_cross_entropy(features, weight, target, 0.1)
    assert losses == (0, 0)
    losses.smoothed.backward()
    assert features.grad.shape == (0, 4)
    assert not weight.grad.any()


def test_the_likelihood_is_detached():
    losses = projected_cross_entropy(*case(5, 9, 4), 0.1)
    assert losses.smoothed.requires_grad
    assert not losses.negative_log_likelihood.requires_grad


def test_the_gradient_follows_the_scale_from_above():
    features, weight, target = case(5, 9, 4)
    losses = projected_cross_entropy(features, weight, target, 0.1)
    once = torch.autograd.grad(losses.smoothed, [features, weight], retain_graph=True)
    scaled = torch.autograd.grad(losses.smoothed * -3.5, [features, weight], retain_graph=True)
    assert_all_close(scaled, [-3.5 * gradient for gradient in once])
    again = torch.autograd.grad(losses.smoothed, [features, weight])
    assert_all_close(again, once)


def test_a_loss_scale_beyond_float16_fits():
    features, weight, target = case(5, 9, 4)
    features = features.detach().half().requires_grad_()
    weight = weight.detach().half().requires_grad_()
    loss = projected_cross_entropy(features, weight, target, 0.1).smoothed
    once = torch.autograd.grad(loss, [features, weight], retain_graph=True)
    scaled = torch.autograd.grad(loss * 2.0**17 * 2.0**-6, [features, weight], retain_graph=True)
    assert_all_close(scaled, [2.0**11 * gradient for gradient in once])
    features.data.mul_(2.0**-12)
    tiny = projected_cross_entropy(features, weight.detach() * 2.0**-12, target, 0.1).smoothed
    (scaled,) = torch.autograd.grad(tiny * 2.0**17, [features])
    assert scaled.isfinite().all()
    assert scaled.any()


@pytest.mark.parametrize("frozen", ["features", "weight"])
def test_either_input_may_be_frozen(frozen):
    features, weight, target = case(5, 9, 4)
    expected = gradients(projected_cross_entropy(features, weight, target, 0.1)[:1], [features])
    if frozen == "features":
        expected = gradients(projected_cross_entropy(features, weight, target, 0.1)[:1], [weight])
        found = projected_cross_entropy(features.detach(), weight, target, 0.1)
        assert_all_close(gradients(found[:1], [weight]), expected)
    else:
        found = projected_cross_entropy(features, weight.detach(), target, 0.1)
        assert_all_close(gradients(found[:1], [features]), expected)


def test_huge_logits_stay_finite():
    features, weight, target = case(5, 9, 4)
    features = (features.detach() * 1e4).requires_grad_()
    losses = projected_cross_entropy(features, weight, target, 0.1)
    assert losses.smoothed.isfinite()
    assert all(g.isfinite().all() for g in gradients(losses[:1], [features, weight]))


@pytest.mark.parametrize("mode", ["cast", "autocast"])
def test_half_precision_is_close(mode):
    features, weight, target = case(40, 60, 16)
    full = projected_cross_entropy(features, weight, target, 0.1)
    if mode == "cast":
        half_features = features.detach().bfloat16().requires_grad_()
        half_weight = weight.detach().bfloat16().requires_grad_()
        half = projected_cross_entropy(half_features, half_weight, target, 0.1)
    else:
        half_features, half_weight = features, weight
        with torch.autocast("cpu", dtype=torch.bfloat16):
            half = projected_cross_entropy(features, weight, target, 0.1)
    assert half.smoothed.dtype == half.negative_log_likelihood.dtype == torch.float32
    assert_all_close(half, full, rtol=1e-2)
    for one, other, leaf in zip(
        torch.autograd.grad(half.smoothed, [half_features, half_weight]),
        torch.autograd.grad(full.smoothed, [features, weight]),
        [half_features, half_weight],
        strict=True,
    ):
        assert one.dtype == leaf.dtype
        assert (one.float() - other).norm() < 0.02 * other.norm()


class CountedProducts(TorchDispatchMode):
    """Counts matrix products."""

    count = 0

    def __torch_dispatch__(self, func, types, args=(), kwargs=None):
        self.count += func.overloadpacket is torch.ops.aten.mm
        return func(*args, **(kwargs or {}))


def test_without_gradients_the_logits_are_the_only_product():
    features, weight, target = case(5, 9, 4)
    with torch.no_grad(), CountedProducts() as products:
        found = projected_cross_entropy(features, weight, target, 0.1)
    assert products.count == 1
    assert_all_close(found, projected_cross_entropy(features, weight, target, 0.1))
    assert not found.smoothed.requires_grad


@pytest.mark.parametrize("of", [torch.square, torch.clone])
def test_second_derivatives_are_refused_rather_than_wrong(of):
    features, weight, target = case(5, 9, 4)
    loss = projected_cross_entropy(features, weight, target, 0.1).smoothed
    with pytest.raises(RuntimeError, match="no second derivatives"):
        torch.autograd.grad(of(loss), [features], create_graph=True)
