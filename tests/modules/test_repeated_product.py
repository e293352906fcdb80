"""Products with one matrix against F.linear."""

import pytest
import torch
from torch.nn import functional as F

from moe_nmt.modules.repeated_product import repeated_product


@pytest.mark.parametrize("has_bias", [False, True])
@pytest.mark.parametrize("rows", [1, 5, 70])
@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16, torch.float64])
@torch.no_grad()
def test_it_is_the_product(rows: int, dtype: torch.dtype, has_bias: bool) -> None:
    weight, x = torch.randn(33, 17).to(dtype), torch.randn(rows, 17).to(dtype)
    bias = torch.randn(33).to(dtype) if has_bias else None
    product = repeated_product(weight, bias)
    for _ in range(2):
        found = product(x)
        assert found.dtype == dtype
        expected = x.double() @ weight.double().t() + (bias.double() if has_bias else 0)
        tolerance = 0.05 if dtype == torch.bfloat16 else 1e-5
        torch.testing.assert_close(found.double(), expected, rtol=tolerance, atol=tolerance)


@torch.no_grad()
def test_a_parameter_stays_as_it_is() -> None:
    weight = torch.nn.Parameter(torch.randn(8, 4))
    before = weight.clone()
    repeated_product(weight)(torch.randn(3, 4))
    assert torch.equal(weight, before)
    torch.testing.assert_close(F.linear(torch.eye(4), weight), before.t())


@torch.no_grad()
def test_autocast_has_its_precision() -> None:
    weight, x = torch.randn(33, 17), torch.randn(5, 17)
    with torch.autocast("cpu", torch.bfloat16):
        found, expected = repeated_product(weight)(x), F.linear(x, weight)
    assert found.dtype == torch.bfloat16
    torch.testing.assert_close(found, expected)
