"""The layer on a GPU: the CPU's values and gradients, and no more waits than are named."""

from __future__ import annotations

import warnings
from copy import deepcopy

import pytest
import torch
from comparisons import assert_all_close, gradients

from moe_nmt.moe import build_mixture_of_experts
from moe_nmt.moe.layer import MixtureOfExperts
from moe_nmt.moe.noisy_top_k import NoisyTopKGate

pytestmark = [
    pytest.mark.cuda,
    pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a GPU"),
]

KINDS = {
    "softmax": {"gate": "softmax", "experts": 4, "k": 4},
    "noisy-top-k": {"gate": "noisy-top-k", "experts": 8, "k": 2},
    "strictly-balanced": {"gate": "strictly-balanced", "experts": 8, "k": 2},
    "hierarchical": {"gate": "strictly-balanced", "experts": 12, "k": 2, "groups": 4},
    "deep": {"gate": "noisy-top-k", "experts": 8, "k": 2, "depth": 3},
}


def layer(**options: object) -> MixtureOfExperts:
    """A layer with gates that choose, without noise to draw."""
    torch.manual_seed(1)
    built = build_mixture_of_experts(16, 24, **options)  # type: ignore[arg-type]
    with torch.no_grad():
        for name, parameter in built.gate.named_parameters():
            if "threshold" not in name:
                parameter.normal_()
    for module in built.modules():
        if isinstance(module, NoisyTopKGate):
            module.eval()
    return built


@pytest.mark.parametrize("recompute", [False, True])
@pytest.mark.parametrize("kind", KINDS)
def test_values_and_gradients_are_those_of_the_cpu(kind: str, recompute: bool) -> None:
    here = layer(**KINDS[kind], recompute=recompute)
    there = deepcopy(here).cuda()
    x = torch.randn(50, 16, requires_grad=True)
    x_there = x.detach().cuda().requires_grad_()
    y, routing = here(x)
    y_there, routing_there = there(x_there)
    assert routing_there.expert.tolist() == routing.expert.tolist()
    assert_all_close([y_there.cpu()], [y])
    expected = gradients([y, routing.load, routing.importance], [x, *here.parameters()])
    found = gradients(
        [y_there, routing_there.load, routing_there.importance], [x_there, *there.parameters()]
    )
    assert_all_close([gradient.cpu() for gradient in found], expected)


@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16])
@pytest.mark.parametrize("kind", KINDS)
def test_half_precision_is_close(kind: str, dtype: torch.dtype) -> None:
    there = layer(**KINDS[kind]).cuda()
    x = torch.randn(50, 16).cuda()
    exact, _ = there(x)
    with torch.autocast("cuda", dtype):
        y, _ = there(x)
    assert y.dtype == dtype
    assert (y - exact).norm() < 0.02 * exact.norm()
    y.float().sum().backward()
    assert all(parameter.grad.isfinite().all() for parameter in there.experts.parameters())


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
def test_two_thousand_experts(dtype: torch.dtype) -> None:
    """More than torch's kernel takes."""
    there = layer(gate="noisy-top-k", experts=2048, k=4).cuda()
    x = torch.randn(500, 16).cuda()
    with torch.autocast("cuda", dtype, enabled=dtype == torch.bfloat16):
        y, routing = there(x)
    rows = x[routing.token]
    w_in, w_out = there.experts.w_in[routing.expert], there.experts.w_out[routing.expert]
    slow = torch.einsum("rh,rhd->rd", torch.einsum("rd,rdh->rh", rows, w_in).relu(), w_out)
    expected = torch.zeros_like(x).index_add(0, routing.token, slow * routing.gate[:, None])
    assert (y - expected).norm() < (0.02 if dtype == torch.bfloat16 else 1e-4) * expected.norm()


@pytest.mark.parametrize(
    ("kind", "precision", "waits"),
    [
        ("noisy-top-k", torch.bfloat16, 0),
        ("strictly-balanced", torch.bfloat16, 0),
        ("noisy-top-k", torch.float32, 1),
        ("strictly-balanced", torch.float32, 1),
    ],
)
def test_waits(kind: str, precision: torch.dtype, waits: int) -> None:
    """In float32 the experts' numbers of rows are asked for; forward and backward."""
    there = layer(**KINDS[kind]).cuda()
    x = torch.randn(50, 16).cuda().requires_grad_()
    torch.cuda.set_sync_debug_mode("warn")
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        with torch.autocast("cuda", precision, enabled=precision == torch.bfloat16):
            y, _ = there(x)
        y.backward(torch.ones_like(y))
    torch.cuda.set_sync_debug_mode("default")
    assert sum("called a synchronizing" in str(warning.message) for warning in caught) <= waits
