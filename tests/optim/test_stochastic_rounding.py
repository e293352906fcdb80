"""Experts in bfloat16: rounding without bias, and the updates that nearest rounding would lose."""

import pytest
import torch
from omegaconf import OmegaConf
from torch import Tensor

from moe_nmt.moe import Experts
from moe_nmt.moe.workers import Shard, Workers
from moe_nmt.optim.factored_experts import FactoredExperts
from moe_nmt.optim.stochastic_rounding import round_stochastically


def test_rounds_to_the_two_neighbours_and_to_x_on_average() -> None:
    x = torch.tensor([1 + 2**-7 * 0.25, -3.1, 1e-30, 0.7, 65504.0])
    rounded = torch.stack([round_stochastically(x, (1, n)) for n in range(20_000)]).float()
    low = (x.view(torch.int32) & ~0xFFFF).view(torch.float32)
    high = ((x.view(torch.int32) & ~0xFFFF) + 0x10000).view(torch.float32)
    assert ((rounded == low) | (rounded == high)).all()
    # five standard deviations of a mean of 20,000 draws of either neighbour
    bound = 5 * (high - low).abs() / 2 / 20_000**0.5
    assert ((rounded.double().mean(0) - x.double()).abs() <= bound).all()


def test_neighbouring_numbers_are_rounded_independently() -> None:
    up = round_stochastically(torch.full((40_000,), 1 + 2**-8), (7,)).float() > 1  # even odds
    assert abs(float(up.double().mean()) - 0.5) < 0.0125
    for distance in (1, 2, 4):
        agree = (up[distance:] == up[:-distance]).double().mean()
        assert abs(float(agree) - 0.5) < 0.0125


@pytest.mark.parametrize("value", [0.0, -0.0, 1.5, -(2.0**-130), float("inf"), float("-inf")])
def test_what_has_no_lower_half_stays(value: float) -> None:
    x = torch.full((3, 5), value)
    assert round_stochastically(x, (1,)).view(torch.int16).equal(x.bfloat16().view(torch.int16))


def test_nan_stays_nan_whatever_its_payload() -> None:
    x = torch.tensor([0x7FFFFFFF, 0x7FC00000, -1], dtype=torch.int32).view(torch.float32)
    assert round_stochastically(x, (1,)).isnan().all()


def test_the_same_seed_rounds_the_same() -> None:
    x = torch.randn(7, 9)
    first = round_stochastically(x, (3, 4))
    assert first.equal(round_stochastically(x, (3, 4)))
    assert not first.equal(round_stochastically(x, (3, 5)))


def trained(experts: Experts, steps: int, gradient: Tensor, rate: float) -> Tensor:
    """The weights w_in after some steps of factored_experts with one gradient of all experts."""
    options = {"beta1": 0.9, "beta2": 0.9, "epsilon": 1e-8, "weight_decay": 0.0}
    options["update_experts_in_backward"] = False
    config = OmegaConf.create({"_name": "factored_experts", "lr": [rate], **options})
    optimizer = FactoredExperts(config, [experts.w_in])
    for _ in range(steps):
        experts.w_in.grad = gradient.to(experts.w_in.dtype)
        optimizer.step()
    return experts.w_in.detach().float()


def test_small_updates_add_up() -> None:
    """1000 updates of 1e-4 move a weight of 1 by 0.1; each is 1/40 of its last bit."""
    experts = Experts(2, 16, 16, precision=torch.bfloat16)
    with torch.no_grad():
        experts.w_in.fill_(1.0)
    moved = 1 - trained(experts, 1000, torch.ones(2, 16, 16), 1e-4)
    assert float(moved.mean()) == pytest.approx(0.1, rel=0.02)
    nearest = (torch.tensor(1.0).bfloat16() - 1e-4).float()
    assert nearest == 1  # nothing would have been learned


def test_experts_round_the_same_wherever_they_live() -> None:
    gradient = torch.randn(6, 5, 7, generator=torch.Generator().manual_seed(1)).bfloat16()

    def after(shard: Shard | None, some: slice) -> Tensor:
        torch.manual_seed(3)
        experts = Experts(6, 5, 7, shard=shard, precision=torch.bfloat16)
        return trained(experts, 3, gradient[some], 0.01)

    whole = after(None, slice(0, 6))
    for place, some in enumerate((slice(0, 2), slice(2, 6))):
        assert after(Shard((0, 2, 6), place, Workers()), some).equal(whole[some])


@pytest.mark.parametrize("recompute", [False, True])
@pytest.mark.parametrize("depth", [1, 2])
def test_the_layer_computes_in_the_precision_of_its_input(recompute: bool, depth: int) -> None:
    """As experts in float32 of the same values would; their gradients are rounded."""
    torch.manual_seed(1)
    kept = Experts(3, 6, 8, recompute, depth=depth, precision=torch.bfloat16)
    exact = Experts(3, 6, 8, recompute, depth=depth)
    exact.load_state_dict(kept.state_dict())
    x, counts = torch.randn(9, 6), torch.tensor([4, 0, 5])
    outputs = [experts(x, counts) for experts in (kept, exact)]
    assert outputs[0].dtype == torch.float32
    assert outputs[0].equal(outputs[1])
    for output in outputs:
        output.square().sum().backward()
    for a, b in zip(kept.weights(), exact.weights(), strict=True):
        assert torch.equal(a.grad, b.grad.bfloat16())
    with torch.no_grad():
        torch.testing.assert_close(kept.eval()(x, counts), exact.eval()(x, counts))
