"""factored_experts follows its formula for experts, and is fused_adam for all else."""

from copy import deepcopy

import pytest
import torch
from fairseq import optim
from omegaconf import OmegaConf
from torch import Tensor, nn

from moe_nmt.moe import Experts, chunks
from moe_nmt.optim.factored_experts import FactoredExperts

RATE, BETA2 = 0.1, 0.9


def build(
    *parameters: Tensor,
    name: str = "factored_experts",
    decay: float = 0.0,
    in_backward: bool = False,
) -> FactoredExperts:
    values = {"beta1": 0.8, "beta2": BETA2, "epsilon": 1e-8, "weight_decay": decay}
    if name == "factored_experts":
        values["update_experts_in_backward"] = in_backward
    config = OmegaConf.create({"_name": name, "lr": [RATE], **values})
    return optim.build_optimizer(config, list(parameters))


def gradients(shape: torch.Size, steps: int = 4) -> list[Tensor]:
    generator = torch.Generator().manual_seed(1)
    return [torch.randn(shape, generator=generator) * (step + 1) ** 2 for step in range(steps)]


def slow_update(gradients: list[Tensor]) -> Tensor:
    """The last update of one matrix, by the formula, from all its gradients."""
    rows, columns = torch.zeros(len(gradients[0])), torch.zeros(len(gradients[0][0]))
    for gradient in gradients:
        rows = BETA2 * rows + (1 - BETA2) * torch.tensor([(row**2).mean() for row in gradient])
        columns = BETA2 * columns + (1 - BETA2) * torch.tensor(
            [(column**2).mean() for column in gradient.t()]
        )
    share = 1 - BETA2 ** len(gradients)
    moment = torch.outer(rows / share, columns / share) / (rows / share).mean()
    update = gradients[-1] / moment.sqrt()
    size = float((update**2).mean() ** 0.5)
    return update / max(1.0, size)


@pytest.mark.parametrize("decay", [0.0, 0.3])
@pytest.mark.parametrize("chunk", [1, 30, 1 << 22])
def test_steps_follow_the_formula(
    decay: float, chunk: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(chunks, "NUMBERS_AT_ONCE", chunk)
    experts = Experts(5, 3, 4)
    expected = experts.w_in.detach().clone()
    optimizer = build(*experts.parameters(), decay=decay)
    seen: list[Tensor] = []
    for step, gradient in enumerate(gradients(expected.shape), start=1):
        optimizer.set_lr(RATE / step)
        seen.append(gradient)
        experts.w_in.grad = gradient.clone()
        optimizer.step()
        assert torch.equal(experts.w_in.grad, gradient)
        for i in range(5):
            update = slow_update([one[i] for one in seen])
            expected[i] -= RATE / step * (update + decay * expected[i])
        torch.testing.assert_close(experts.w_in.data, expected)


def test_an_expert_without_a_gradient_stays() -> None:
    experts = Experts(3, 4, 5)
    before = experts.w_in.detach().clone()
    optimizer = build(*experts.parameters())
    for _ in range(2):
        experts.w_in.grad = torch.zeros(3, 4, 5)
        experts.w_in.grad[1] = 1.0
        optimizer.step()
    assert torch.equal(experts.w_in[::2], before[::2])
    torch.testing.assert_close(experts.w_in[1], before[1] - 2 * RATE)


def test_all_else_is_fused_adams_and_experts_keep_little() -> None:
    torch.manual_seed(0)
    ours, adams = nn.Linear(3, 4), nn.Linear(3, 4)
    adams.load_state_dict(ours.state_dict())
    experts = Experts(6, 30, 40)
    optimizer = build(*ours.parameters(), *experts.parameters())
    adam = build(*adams.parameters(), name="fused_adam")
    for gradient in gradients(ours.weight.shape):
        for module, one in ((ours, optimizer), (adams, adam)):
            for parameter in module.parameters():
                parameter.grad = (
                    gradient[:, 0].clone() if parameter.dim() == 1 else gradient.clone()
                )
            for weight in experts.parameters():
                weight.grad = torch.ones_like(weight)
            one.step()
    for one, other in zip(ours.parameters(), adams.parameters(), strict=True):
        assert torch.equal(one, other)
    kept = sum(
        x.numel() for p in experts.parameters() for x in optimizer.optimizer.state[p].values()
    )
    assert kept == 2 * (6 * (30 + 40) + 1)


def test_a_restored_state_goes_on_bit_exactly() -> None:
    straight = Experts(3, 4, 5)
    optimizer = build(*straight.parameters())
    shape = straight.w_in.shape
    for gradient in gradients(shape)[:2]:
        straight.w_in.grad = gradient.clone()
        optimizer.step()
    resumed = deepcopy(straight)
    restored = build(*resumed.parameters())
    restored.load_state_dict(deepcopy(optimizer.state_dict()))
    for gradient in gradients(shape)[2:]:
        straight.w_in.grad, resumed.w_in.grad = gradient.clone(), gradient.clone()
        optimizer.step()
        restored.step()
    assert resumed.w_in.equal(straight.w_in)
    assert not resumed.w_in.equal(Experts(3, 4, 5).w_in)


@pytest.mark.parametrize("at_once", [1, 30, 1 << 19])
@pytest.mark.parametrize("is_bf16", [False, True])
@pytest.mark.parametrize(("depth", "recompute"), [(1, False), (1, True), (3, False)])
def test_updates_in_the_backward_pass_are_those_after_it(
    depth: int, recompute: bool, is_bf16: bool, at_once: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Bit for bit; no gradient of all experts is ever there, nor left over."""
    monkeypatch.setattr(chunks, "NUMBERS_AT_ONCE", at_once)
    torch.manual_seed(3)
    after = Experts(6, 4, 8, recompute, depth=depth)
    within = deepcopy(after)
    optimizers = [
        build(*after.parameters(), decay=0.1),
        build(*within.parameters(), decay=0.1, in_backward=True),
    ]
    x = torch.randn(11, 4)
    for counts in ([3, 0, 0, 5, 1, 2], [0, 4, 4, 0, 3, 0], [11, 0, 0, 0, 0, 0]):
        results = []
        for experts, optimizer in zip((after, within), optimizers, strict=True):
            rows = x.clone().requires_grad_()
            optimizer.expect(7)
            with torch.autocast("cpu", torch.bfloat16, enabled=is_bf16):
                y = experts(rows, torch.tensor(counts))
            y.square().sum().backward()
            if experts is within:
                assert all(weight.grad is None for weight in experts.parameters())
            optimizer.multiply_grads(1 / 7)
            optimizer.step()
            optimizer.zero_grad()
            results.append(rows.grad)
        assert torch.equal(*results)
        for one, other in zip(after.parameters(), within.parameters(), strict=True):
            assert torch.equal(one, other)
    states = [optimizer.state_dict()["state"] for optimizer in optimizers]
    for number, kept in states[0].items():
        assert all(torch.equal(kept[name], states[1][number][name]) for name in kept)
        assert kept["step"] == 3


def test_a_step_without_a_gradient_is_not_counted() -> None:
    experts = Experts(2, 4, 8)
    optimizer = build(*experts.parameters())
    for gradient in (torch.ones(2, 4, 8), None, torch.ones(2, 4, 8)):
        experts.w_in.grad = gradient
        optimizer.step()
    assert optimizer.optimizer.state[experts.w_in]["step"] == 2
    assert experts.w_out not in optimizer.optimizer.state


def test_a_second_optimizer_takes_the_gradients_over() -> None:
    """fairseq builds another one where it resumes."""
    for depth in (1, 2):
        experts = Experts(2, 4, 8, depth=depth)
        first = build(*experts.parameters(), in_backward=True)
        second = build(*experts.parameters(), in_backward=True)
        experts(torch.randn(4, 4), torch.tensor([1, 3])).square().sum().backward()
        assert not first.optimizer.state
        assert len(second.optimizer.state) == depth + 1
