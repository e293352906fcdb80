"""A training of a layer that one worker or many can run, with the same numbers."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any
from unittest import mock

import torch
from torch import Tensor, nn

from moe_nmt.distributed import (
    ExpertParallel,
    OptimizerState,
    Workers,
    average_gradients,
    total_norm,
    whole_parameters,
)
from moe_nmt.moe import build_mixture_of_experts, importance_loss, load_loss

DIM, STEPS, BATCHES = 6, 20, 3


@dataclass(frozen=True)
class Case:
    """A layer, and how its tokens and experts are divided."""

    gate: str
    experts: int
    k: int
    tokens: tuple[int, ...]  # of each worker
    groups: int = 1  # of experts
    size: int | None = None  # expert parallel size


class SmallModel(nn.Module):
    """A dense layer, a mixture, a dense layer."""

    def __init__(self, case: Case, workers: Workers) -> None:
        super().__init__()
        torch.manual_seed(5)
        self.first = nn.Linear(DIM, DIM)
        self.mixture = build_mixture_of_experts(
            DIM, 8, case.experts, case.k, case.gate, case.groups, workers=workers
        )
        self.last = nn.Linear(DIM, DIM)
        for name, parameter in self.mixture.gate.named_parameters():
            if "threshold" not in name:
                nn.init.normal_(parameter, std=0.5)  # not all experts alike


def noise(like: Tensor) -> Tensor:
    """Stands for torch.randn_like: a token's noise is the same wherever the token is."""
    return torch.sin(like.detach() + 3 * torch.arange(like.size(1)))


def batch(case: Case, step: int) -> tuple[Tensor, Tensor]:
    """Inputs and targets [tokens of all workers, DIM]."""
    generator = torch.Generator().manual_seed(step % BATCHES)
    return torch.randn(2, sum(case.tokens), DIM, generator=generator).unbind(0)


def train(rank: int | None, case: Case, steps: int = STEPS) -> dict[str, Any]:
    """Trains on this worker's tokens, or on all where ``rank`` is None.

    Everything is that of the whole batch: losses, statistics, gradients, parameters, state.
    """
    workers = Workers() if rank is None else ExpertParallel(case.size)
    model = SmallModel(case, workers)
    optimizer = torch.optim.Adam(model.parameters(), 0.01, eps=1e-4)
    state = OptimizerState(optimizer)
    world = 1 if rank is None else len(case.tokens)
    found: dict[str, Any] = {"losses": [], "norms": [], "importance": [], "load": []}
    for step in range(steps):
        x, target = batch(case, step)
        if rank is not None:
            x, target = (whole.split(case.tokens)[rank] for whole in (x, target))
        x = x.clone().requires_grad_()
        with mock.patch.object(torch, "randn_like", noise):
            mixed, routing = model.mixture(model.first(x))
        error = (model.last(mixed) - target).square().sum() / sum(case.tokens)
        balance = 0.3 * importance_loss(routing) + 0.2 * load_loss(routing)
        loss = error + (balance + routing.auxiliary_loss) / world
        (loss * world).backward()  # gradients are averaged, and the sum is wanted
        average_gradients(model, workers)
        norm = total_norm(model.parameters())
        if step == 0:
            found["gradients"] = whole_gradients(model)
            found["of_x"] = x.grad / world
        torch.nn.utils.clip_grads_with_norm_(model.parameters(), 0.7, norm)
        optimizer.step()
        optimizer.zero_grad()
        (whole_loss,) = workers.sum(loss.detach())
        found["losses"].append(whole_loss)
        found["norms"].append(norm)
        found["importance"].append(routing.importance.detach())
        found["load"].append(routing.load.detach())
    experts = whole_parameters(model, everywhere=True)
    found["parameters"] = {**{n: p.detach() for n, p in model.named_parameters()}, **experts}
    state.consolidate()
    if rank in (None, 0):
        found["optimizer"] = optimizer.state_dict()["state"]
    return {name: torch.stack(v) if isinstance(v, list) else v for name, v in found.items()}


def whole_gradients(model: nn.Module) -> dict[str, Tensor]:
    """The gradients of all parameters, those of all experts joined."""
    found = {}
    for name, parameter in model.named_parameters():
        assert parameter.grad is not None
        gradient = parameter.grad.clone()
        if shard := getattr(parameter, "expert", None):
            gradient = shard.workers.whole(gradient, shard, everywhere=True)
        found[name] = gradient
    return found
