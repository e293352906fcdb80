"""Grouped matrix products of any size against one product per group."""

import pytest
import torch
from comparisons import assert_all_close, gradients, in_double
from hypothesis import given
from hypothesis import strategies as st
from moe_checks import randomly, seeds

from moe_nmt.moe.grouped import GPU_GROUPS, grouped_mm, has_kernel, padded_mm


def draw(shape, seed):
    return torch.randn(shape, generator=torch.Generator().manual_seed(seed)).requires_grad_()


@pytest.mark.parametrize("product", [grouped_mm, padded_mm])
@given(
    group_sizes=st.lists(st.integers(0, 5), min_size=1, max_size=5),
    shape=st.tuples(*[st.integers(1, 17)] * 2),
    seed=seeds,
)
@randomly
def test_formula_and_gradients(product, group_sizes, shape, seed):
    x = draw((sum(group_sizes), shape[0]), seed)
    weight = draw((len(group_sizes), *shape), seed + 1)
    slow_x, slow_weight = in_double(x, weight)
    fast = product(x, weight, torch.tensor(group_sizes))
    parts = zip(slow_x.split(group_sizes), slow_weight, strict=True)
    slow = torch.cat([part @ matrix for part, matrix in parts])
    assert fast.shape == (len(x), shape[1])
    assert_all_close([fast], [slow])
    assert_all_close(gradients([fast], [x, weight]), gradients([slow], [slow_x, slow_weight]))


@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16])
@pytest.mark.parametrize(("rows", "columns"), [(8, 16), (4, 12), (5, 3)])
def test_half_precision(dtype, rows, columns):
    x, weight = draw((9, rows), 0).to(dtype), draw((3, rows, columns), 1).to(dtype)
    fast = grouped_mm(x, weight, torch.tensor([4, 0, 5]))
    slow = torch.cat([x[:4].float() @ weight[0].float(), x[4:].float() @ weight[2].float()])
    assert fast.dtype == dtype
    assert_all_close([fast], [slow], rtol=1e-2, atol=1e-2)


def test_rows_need_not_be_contiguous():
    x, weight = draw((8, 6), 0), draw((2, 8, 12), 1)
    transposed = weight.detach().transpose(1, 2).contiguous().transpose(1, 2)
    fast = grouped_mm(x.t(), transposed, torch.tensor([2, 4]))
    assert_all_close([fast], [torch.cat([x.t()[:2] @ weight[0], x.t()[2:] @ weight[1]])])


def test_the_gradient_of_a_sum_is_that_of_any_other_function() -> None:
    x, weight = (torch.randn(shape, requires_grad=True) for shape in ((4, 4), (2, 4, 8)))
    sizes = torch.tensor([1, 3])
    summed = torch.autograd.grad(grouped_mm(x, weight, sizes).sum(), (x, weight))
    dotted = torch.autograd.grad(
        (grouped_mm(x, weight, sizes) * torch.ones(4, 8)).sum(), (x, weight)
    )
    for one, other in zip(summed, dotted, strict=True):
        assert torch.equal(one, other)


def test_gpus_multiply_all_groups_at_once_in_bfloat16_up_to_a_number():
    gpu = torch.device("cuda")

    class OnGPU:  # what is asked of a tensor
        device = gpu

        def __init__(self, dtype):
            self.dtype = dtype

    assert has_kernel(OnGPU(torch.bfloat16), GPU_GROUPS)
    assert not has_kernel(OnGPU(torch.bfloat16), GPU_GROUPS + 1)
    assert not has_kernel(OnGPU(torch.float16), 2)
    assert not has_kernel(OnGPU(torch.float32), 2)
    assert has_kernel(torch.empty(1), GPU_GROUPS + 1)


def test_padded_products_of_many_groups_of_unlike_sizes():
    group_sizes = torch.randint(0, 3, (2048,), generator=torch.Generator().manual_seed(1))
    group_sizes[7] = 900
    x, weight = draw((int(group_sizes.sum()), 6), 0), draw((2048, 6, 4), 1)
    expert = torch.arange(2048).repeat_interleave(group_sizes)
    slow = torch.einsum("ri,rio->ro", x, weight[expert])
    fast = padded_mm(x, weight, group_sizes)
    assert_all_close([fast], [slow])
    assert_all_close(gradients([fast], [x, weight]), gradients([slow], [x, weight]))
