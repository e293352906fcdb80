"""The learning rate: a line from zero, a plateau, then as 1 / sqrt(update)."""

import pytest
import torch
from fairseq.optim import lr_scheduler
from omegaconf import OmegaConf

from moe_nmt.errors import UserError
from moe_nmt.optim.fused_adam import FusedAdam, FusedAdamConfig
from moe_nmt.optim.warmup_constant_inverse_sqrt import WarmupConstantInverseSqrt, learning_rate


def build(rates: list[float], warmup: int, constant: int) -> WarmupConstantInverseSqrt:
    optimizer = FusedAdam(FusedAdamConfig(lr=[1.0]), [torch.nn.Parameter(torch.zeros(1))])
    config = OmegaConf.create(
        {
            "_name": "warmup_constant_inverse_sqrt",
            "lr": rates,
            "warmup_updates": warmup,
            "constant_updates": constant,
        }
    )
    return lr_scheduler.build_lr_scheduler(config, optimizer)


@pytest.mark.parametrize(
    ("update", "rate"),
    [(0, 0.0), (1, 0.05), (5, 0.25), (10, 0.5), (20, 0.5), (30, 0.5), (120, 0.25), (480, 0.125)],
)
def test_rate_of_an_update(update: int, rate: float) -> None:
    schedule = build([0.5], warmup=10, constant=20)
    assert schedule.step_update(update) == pytest.approx(rate)
    assert schedule.optimizer.get_lr() == pytest.approx(rate)


def test_it_starts_at_zero_and_ignores_epochs() -> None:
    schedule = build([0.5], warmup=10, constant=20)
    assert schedule.optimizer.get_lr() == 0.0
    schedule.step_update(3)
    assert schedule.step(epoch=7, val_loss=1.0) == pytest.approx(0.15)


@pytest.mark.parametrize("update", [0, 1, 100])
def test_neither_warm_up_nor_plateau_means_a_constant_rate(update: int) -> None:
    assert learning_rate(update, 0.5, 0, 0) == 0.5


@pytest.mark.parametrize("sizes", [(-1, 20), (10, -1)])
def test_negative_numbers_of_updates_are_refused(sizes: tuple[int, int]) -> None:
    with pytest.raises(UserError, match="cannot be negative"):
        build([0.5], *sizes)


def test_several_rates_are_refused() -> None:
    with pytest.raises(UserError, match="--lr takes one value"):
        build([0.5, 0.25], 10, 20)
