"""Gradients over many workers: their mean, and their norm.

After the backward pass each worker has the gradients of its own loss for what all workers hold, and
for its experts those of the losses of all workers that sent tokens.  What is wanted for both is the
mean over all workers' losses, as a data parallel training has it.
"""

from __future__ import annotations

from collections.abc import Iterable

import torch
from torch import Tensor, nn

from moe_nmt.moe.workers import Workers, shard_of


def average_gradients(module: nn.Module, workers: Workers) -> None:
    """Makes all gradients of a module the mean over all workers' losses, in place."""
    parameters = [parameter for parameter in module.parameters() if parameter.requires_grad]
    dense = [parameter for parameter in parameters if shard_of(parameter) is None]
    for parameter in dense:
        if parameter.grad is None:
            parameter.grad = torch.zeros_like(parameter)
    workers.average([parameter.grad for parameter in dense if parameter.grad is not None])
    average_expert_gradients(parameters)


def average_expert_gradients(parameters: Iterable[nn.Parameter]) -> None:
    """Makes the gradients of experts the mean over all workers' losses, in place.

    Call it once an update, after the last backward pass, on all workers.  Gradients that an
    optimizer takes during that pass are its own affair.
    """
    for workers, experts in by_workers(parameters, received=False).items():
        for parameter in experts:
            if parameter.grad is None:
                parameter.grad = torch.zeros_like(parameter)
        workers.average_replicas([p.grad for p in experts if p.grad is not None])


def total_norm(parameters: Iterable[Tensor]) -> Tensor:
    """The norm of all gradients that there are, those of every worker's experts included: [].

    It is the same on all workers, whose other gradients have to be equal.
    """
    parameters = list(parameters)
    dense = [p.grad for p in parameters if p.grad is not None and shard_of(p) is None]
    norms = [norm(dense)]
    for workers, experts in by_workers(parameters, received=False).items():
        here = norm([p.grad for p in experts if p.grad is not None])
        norms.append(workers.sum_of_shards(here.square()).sqrt())
    return torch.linalg.vector_norm(torch.stack([each.to(norms[-1]) for each in norms]))


def norm(gradients: list[Tensor]) -> Tensor:
    """The norm of gradients on one device: [], at least float32, as half precision overflows."""
    if not gradients:
        return torch.zeros(())
    dtype = torch.promote_types(gradients[0].dtype, torch.float32)
    return torch.linalg.vector_norm(torch.stack(torch._foreach_norm(gradients, 2, dtype)))


def by_workers(parameters: Iterable[Tensor], received: bool = True) -> dict[Workers, list[Tensor]]:
    """The experts' parameters, by the workers they are divided among.

    Args:
        parameters: of a model.
        received: also those whose gradients an optimizer takes in the backward pass.
    """
    found: dict[Workers, list[Tensor]] = {}
    for parameter in parameters:
        shard = shard_of(parameter)
        if shard is not None and (received or not hasattr(parameter, "receiver")):
            found.setdefault(shard.workers, []).append(parameter)
    return found
