"""fused_adam is Adam, with decoupled weight decay."""

from copy import deepcopy

import pytest
import torch
from fairseq import optim
from omegaconf import OmegaConf
from torch import Tensor

from moe_nmt.distributed import Workers
from moe_nmt.optim.fused_adam import FusedAdam
from moe_nmt.training.hooks import in_place

BETA1, BETA2, EPSILON = 0.8, 0.95, 1e-6
STEPS = 5


def build(parameter: Tensor, decay: float = 0.0, rate: float = 0.1) -> FusedAdam:
    values = {"beta1": BETA1, "beta2": BETA2, "epsilon": EPSILON, "weight_decay": decay}
    config = OmegaConf.create({"_name": "fused_adam", "lr": [rate], **values})
    optimizer = optim.build_optimizer(config, [parameter])
    assert isinstance(optimizer, FusedAdam)
    return optimizer


def gradients() -> list[Tensor]:
    generator = torch.Generator().manual_seed(1)
    return [torch.randn(3, 4, generator=generator) for _ in range(STEPS)]


@pytest.mark.parametrize("decay", [0.0, 0.3])
def test_steps_follow_the_formula(decay: float) -> None:
    parameter = torch.nn.Parameter(torch.linspace(-1, 1, 12).view(3, 4))
    expected, mean, square = parameter.detach().clone(), torch.zeros(3, 4), torch.zeros(3, 4)
    optimizer = build(parameter, decay)
    for step, gradient in enumerate(gradients(), start=1):
        rate = 0.1 / step
        optimizer.set_lr(rate)
        parameter.grad = gradient.clone()
        optimizer.step()

        mean = BETA1 * mean + (1 - BETA1) * gradient
        square = BETA2 * square + (1 - BETA2) * gradient**2
        unbiased = (mean / (1 - BETA1**step)) / ((square / (1 - BETA2**step)).sqrt() + EPSILON)
        expected -= rate * (unbiased + decay * expected)
        torch.testing.assert_close(parameter.data, expected)


def test_a_restored_state_goes_on_bit_exactly() -> None:
    straight = torch.nn.Parameter(torch.ones(3, 4))
    optimizer = build(straight)
    for gradient in gradients()[:2]:
        straight.grad = gradient.clone()
        optimizer.step()
    resumed = torch.nn.Parameter(straight.detach().clone())
    restored = build(resumed)
    restored.load_state_dict(deepcopy(optimizer.state_dict()))
    for gradient in gradients()[2:]:
        straight.grad, resumed.grad = gradient.clone(), gradient.clone()
        optimizer.step()
        restored.step()
    assert resumed.equal(straight)


@pytest.mark.parametrize("name", ["fused_adam", "nag"])
@pytest.mark.parametrize("limit", [0.0, 2.5, 100.0])
def test_clipping_counts_the_experts(limit: float, name: str) -> None:
    """fairseq's own clipping leaves parameters marked as experts' out of the norm."""
    dense, expert = (torch.nn.Parameter(torch.zeros(1)) for _ in range(2))
    expert.expert = Workers().shard(1)  # type: ignore[attr-defined]
    config = OmegaConf.create({"_name": name, "lr": [0.1]})
    optimizer = optim.build_optimizer(config, [dense, expert])
    dense.grad, expert.grad = torch.tensor([3.0]), torch.tensor([-4.0])
    with in_place():
        assert optimizer.clip_grad_norm(limit) == pytest.approx(5.0)
    scale = 0.5 if limit == 2.5 else 1.0
    assert dense.grad.item() == pytest.approx(3.0 * scale, rel=1e-5)
    assert expert.grad.item() == pytest.approx(-4.0 * scale, rel=1e-5)


def test_half_precision_may_keep_all_parameters_in_one_tensor() -> None:
    """What fairseq asks for its --fp16; tests/gpu trains with it."""
    assert build(torch.nn.Parameter(torch.ones(1))).supports_flat_params
