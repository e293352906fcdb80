"""Where experts live, what is sent, and what each worker draws."""

from __future__ import annotations

from collections.abc import Callable
from types import SimpleNamespace
from typing import Any

import pytest
import torch
from omegaconf import OmegaConf
from small_models import dictionary
from torch import Tensor, nn
from worker_pool import WorkerPool

from moe_nmt.distributed import (
    ExpertParallel,
    OptimizerState,
    Shard,
    Workers,
    largest_size,
    total_norm,
    whole_parameters,
    whole_shapes,
)
from moe_nmt.models.architectures import ARCHITECTURES, TRANSLATION_MODELS
from moe_nmt.models.config import GNMTMoEConfig, LSTMMoELanguageModelConfig
from moe_nmt.moe import Experts, build_mixture_of_experts
from moe_nmt.tasks.expert_parallel_translation import (
    ExpertParallelTranslationConfig,
    ExpertParallelTranslationTask,
)
from moe_nmt.training.launch import lost_another
from moe_nmt.training.trainer import ExpertTrainer, rescale

DIM, EXPERTS = 8, 4
TOKENS = (3, 5)


def worker_at(place: int, size: int) -> ExpertParallel:
    """A worker that only knows its place: nothing is sent."""
    workers = ExpertParallel.__new__(ExpertParallel)
    workers.place, workers.size = place, size
    return workers


@pytest.mark.parametrize(
    ("workers", "parts", "size"),
    [(1, 4, 1), (4, 4, 4), (4, 2, 2), (6, 5, 3), (64, 16, 16), (32, 12, 8), (7, 6, 1)],
)
def test_as_many_workers_share_the_experts_as_can(workers: int, parts: int, size: int) -> None:
    assert largest_size(workers, parts) == size


@pytest.mark.parametrize("world", [8, 32, 64])
@pytest.mark.parametrize("arch", [name for name in ARCHITECTURES if "moe" in name])
def test_every_architecture_has_its_shards(
    arch: str, world: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(torch.distributed, "get_world_size", lambda: world)
    options = (
        GNMTMoEConfig(**ARCHITECTURES[arch])
        if arch in TRANSLATION_MODELS
        else (LSTMMoELanguageModelConfig(**ARCHITECTURES[arch]))
    )
    words = dictionary()
    task = ExpertParallelTranslationTask(
        OmegaConf.structured(ExpertParallelTranslationConfig()), words, words
    )
    size = task.expert_parallel_size(options)
    assert world % size == 0
    groups = options.expert_groups
    indivisible = options.experts // groups if groups > 1 else 1
    shards = [worker_at(place, size).shard(options.experts, indivisible) for place in range(size)]
    assert sum(shard.size for shard in shards) == options.experts
    assert all(shard.size for shard in shards)
    assert size == world or size > min(options.experts // indivisible, world) // 2


@pytest.mark.parametrize("indivisible", [1, 3])
@pytest.mark.parametrize("size", [1, 2, 3, 4, 7])
@pytest.mark.parametrize("units", [7, 8, 13])
def test_every_expert_lives_on_one_worker(units: int, size: int, indivisible: int) -> None:
    shards = [
        worker_at(place, size).shard(units * indivisible, indivisible) for place in range(size)
    ]
    experts = [expert for shard in shards for expert in range(shard.total)[shard.here]]
    assert experts == list(range(units * indivisible))
    sizes = [shard.size for shard in shards]
    assert sizes == shards[0].sizes
    assert all(count % indivisible == 0 for count in sizes)
    assert max(sizes) - min(sizes) <= indivisible


@pytest.mark.parametrize(("experts", "what"), [(6, "2 groups of experts"), (3, "1 groups")])
def test_a_group_of_experts_is_not_torn_apart(experts: int, what: str) -> None:
    with pytest.raises(ValueError, match=f"{what}.* among 4 workers: .* at most"):
        worker_at(0, 4).shard(experts, indivisible=3)


def test_a_part_of_the_experts_starts_and_loads_as_in_the_whole() -> None:
    torch.manual_seed(1)
    whole = Experts(5, 4, 8)
    torch.manual_seed(1)
    part = Experts(5, 4, 8, shard=worker_at(1, 2).shard(5))
    assert torch.equal(part.w_out, whole.w_out[2:5])
    assert whole_shapes(part)["w_in"].shape == whole.w_in.shape
    nn.init.zeros_(part.w_in)
    part.load_state_dict(whole.state_dict())
    assert torch.equal(part.w_in, whole.w_in[2:5])
    part.load_state_dict({name: 2 * weight for name, weight in part.state_dict().items()})
    assert torch.equal(part.w_in, 2 * whole.w_in[2:5])


def test_one_worker_has_the_whole() -> None:
    experts = Experts(3, 4, 8)
    assert torch.equal(whole_parameters(experts)["w_in"], experts.w_in)
    assert not whole_parameters(experts)["w_in"].requires_grad


def test_the_state_of_some_experts_is_not_saved_as_that_of_all() -> None:
    weight = nn.Parameter(torch.zeros(2, 3))
    weight.expert = Shard((0, 2, 4), 1, Workers())  # type: ignore[attr-defined]
    optimizer = torch.optim.Adam([weight])
    OptimizerState(optimizer)
    optimizer.state_dict()  # nothing is kept of the weight yet
    weight.grad = torch.ones(2, 3)
    optimizer.step()
    with pytest.raises(RuntimeError, match="consolidate"):
        optimizer.state_dict()


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16, torch.float32, torch.float64])
def test_the_norm_does_not_overflow_in_half_precision(dtype: torch.dtype) -> None:
    dense, expert = (nn.Parameter(torch.zeros(2, dtype=dtype)) for _ in range(2))
    expert.expert = Workers().shard(2)  # type: ignore[attr-defined]
    for parameter in (dense, expert):
        parameter.grad = torch.full((2,), 2.0**15, dtype=dtype)
    norm = total_norm([dense, expert])
    assert norm.item() == pytest.approx(2.0**16)
    assert norm.dtype == torch.promote_types(dtype, torch.float32)


def first_draw(seed: int, update: int, workers: int, rank: int) -> Tensor:
    """The first thing a worker draws in an update."""
    trainer: Any = SimpleNamespace(
        cfg=SimpleNamespace(common=SimpleNamespace(seed=seed)),
        get_num_updates=lambda: update,
        data_parallel_world_size=workers,
        data_parallel_rank=rank,
    )
    ExpertTrainer._set_seed(trainer)
    return torch.rand(3)


def test_noise_differs_between_workers_and_updates_and_can_be_drawn_again() -> None:
    draws = {
        (update, rank): first_draw(7, update, 4, rank) for update in range(5) for rank in range(4)
    }
    assert len({tuple(draw.tolist()) for draw in draws.values()}) == len(draws)
    assert torch.equal(first_draw(7, 3, 4, 2), draws[3, 2])
    torch.manual_seed(7 + 3)  # fairseq's, on one worker
    expected = torch.rand(3)
    assert torch.equal(first_draw(7, 3, 1, 0), expected)


def test_positions_in_an_epoch_move_between_numbers_of_workers() -> None:
    assert rescale(12, 2, 4) == 6
    assert rescale(6, 4, 1) == 24
    assert rescale(7, 1, 2) == 3  # one batch is seen again


def test_a_lost_worker_is_told_from_an_error() -> None:
    assert lost_another(RuntimeError("[gloo/transport/tcp/pair.cc] Connection closed by peer"))
    assert not lost_another(RuntimeError("shapes differ"))
    assert not lost_another(ValueError("gloo"))


def sent(rank: int, bf16: bool) -> tuple[int, Tensor]:
    """Bytes that leave this worker in one forward and backward pass, and the layer's output."""
    workers = ExpertParallel()
    torch.manual_seed(1)
    layer = build_mixture_of_experts(DIM, 16, EXPERTS, EXPERTS, "softmax", workers=workers)
    x = torch.randn(sum(TOKENS), DIM).split(TOKENS)[rank].requires_grad_()
    with torch.autocast("cpu", torch.bfloat16, enabled=bf16):
        y, _ = layer(x)
    y.float().sum().backward()
    return workers.bytes_sent, y.detach()


@pytest.mark.distributed
def test_what_stays_is_not_sent_and_bf16_halves_it(pool: Callable[[int], WorkerPool]) -> None:
    full, half = (pool(2).run(sent, bf16) for bf16 in (False, True))
    # Half of a worker's assignments go to the other one, and the other's outputs come back from
    # here; both again as gradients.
    rows = 2 * (TOKENS[0] * EXPERTS // 2 + TOKENS[1] * EXPERTS // 2)
    assert [count for count, _ in full] == [rows * DIM * 4] * 2
    assert [count for count, _ in half] == [rows * DIM * 2] * 2
    for (_, one), (_, other) in zip(full, half, strict=True):
        assert other.dtype == torch.bfloat16
        torch.testing.assert_close(other.float(), one, rtol=2e-2, atol=2e-2)
