"""Whole states from the workers' shards, and back: a checkpoint does not know its workers."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn

from moe_nmt.moe.workers import Shard, shard_of


@dataclass(frozen=True)
class Part:
    """Some rows of a tensor: those from ``start`` on."""

    rows: Tensor  # [rows here, ...]
    start: int
    total: int  # rows of the whole

    @classmethod
    def of_experts(cls, x: Tensor, shard: Shard) -> Part:
        """What belongs to the experts here, [experts here, ...], of what belongs to all."""
        return cls(x.detach(), shard.here.start, shard.total)


def expert_parameters(module: nn.Module) -> Iterator[tuple[str, nn.Parameter, Shard]]:
    """The experts' parameters by name, [experts here, ...] each, and which experts they are of."""
    for name, parameter in module.named_parameters():
        if (shard := shard_of(parameter)) is not None:
            yield name, parameter, shard


def whole_parameters(module: nn.Module, everywhere: bool = False) -> dict[str, Tensor]:
    """The weights of all experts, by name: [experts, ...] each.

    All workers call it. The first one gets them, in host memory, or all with ``everywhere``.
    ``Experts`` loads them again on any number of workers.
    """
    found = {}
    for name, parameter, shard in expert_parameters(module):
        whole = shard.workers.whole(parameter, shard, everywhere)
        if whole is not None:
            found[name] = whole
    return found


def parts_of_parameters(module: nn.Module) -> dict[str, Part]:
    """The weights of this worker's experts, by name."""
    return {
        name: Part.of_experts(parameter, shard)
        for name, parameter, shard in expert_parameters(module)
    }


def whole_shapes(module: nn.Module) -> dict[str, Tensor]:
    """A state_dict of the whole module, without its values: tensors on the meta device."""
    shapes = {name: tensor.to("meta") for name, tensor in module.state_dict().items()}
    for name, parameter, shard in expert_parameters(module):
        shapes[name] = parameter.new_empty(shard.total, *parameter.shape[1:], device="meta")
    return shapes


class OptimizerState:
    """Lets an optimizer's state_dict hold the state of all experts, on any number of workers.

    Loading takes this worker's part of a whole state. Before the first worker asks for the
    state_dict all workers call ``consolidate``.

    Args:
        optimizer: of experts' parameters, among others. What it keeps of an expert stands in
            tensors whose first dimension is that of the parameter.
    """

    def __init__(self, optimizer: torch.optim.Optimizer) -> None:
        self.optimizer = optimizer
        self.consolidated: dict[int, dict[str, Tensor]] | None = None
        optimizer.register_state_dict_post_hook(self.insert)
        optimizer.register_load_state_dict_pre_hook(self.extract)

    def experts(self) -> dict[int, tuple[Tensor, Shard]]:
        """The experts' parameters, by their numbers in a state_dict."""
        groups = self.optimizer.param_groups
        parameters = [parameter for group in groups for parameter in group["params"]]
        return {
            number: (parameter, shard)
            for number, parameter in enumerate(parameters)
            if (shard := shard_of(parameter)) is not None
        }

    def by_expert(self) -> Iterator[tuple[int, str, Tensor, Shard]]:
        """What the optimizer keeps of this worker's experts: number, name, [experts here, ...]."""
        for number, (parameter, shard) in self.experts().items():
            for name, value in self.optimizer.state.get(parameter, {}).items():
                if is_by_expert(value, shard.size):
                    yield number, name, value, shard

    def parts(self) -> dict[tuple[int, str], Part]:
        """The same, by number and name."""
        return {
            (number, name): Part.of_experts(value, shard)
            for number, name, value, shard in self.by_expert()
        }

    def consolidate(self) -> None:
        """Brings the state of all experts to the first worker; all workers call it."""
        self.leave_out()
        assert self.consolidated is not None
        for number, name, value, shard in self.by_expert():
            whole = shard.workers.whole(value, shard)
            if whole is not None:
                self.consolidated[number][name] = whole

    def leave_out(self) -> None:
        """Lets the next state_dict hold nothing by expert: it is saved in parts."""
        self.consolidated = {number: {} for number in self.experts()}

    def insert(self, optimizer: torch.optim.Optimizer, state: dict[str, Any]) -> None:
        """Puts what was consolidated into a state_dict, and forgets it."""
        for number, (_, shard) in self.experts().items():
            if number not in state["state"]:
                continue
            if self.consolidated is not None:
                # A new dictionary: that of the optimizer itself keeps its shard.
                state["state"][number] = {
                    name: value
                    for name, value in state["state"][number].items()
                    if not is_by_expert(value, shard.size)
                } | self.consolidated[number]
            elif shard.size < shard.total:
                raise RuntimeError("consolidate() comes before state_dict(), on all workers")
        self.consolidated = None

    def extract(
        self, optimizer: torch.optim.Optimizer | None, state: dict[str, Any]
    ) -> dict[str, Any]:
        """This worker's part of a whole state_dict, and of that part all of it."""
        parts = dict(state["state"])
        for number, (_, shard) in self.experts().items():
            if number in parts:
                parts[number] = {
                    name: value[shard.here].clone() if is_by_expert(value, shard.total) else value
                    for name, value in parts[number].items()
                }
        return {**state, "state": parts}


def is_by_expert(value: Any, experts: int) -> bool:
    """Whether part of an optimizer's state has a row for each of so many experts."""
    return isinstance(value, Tensor) and value.dim() > 0 and value.size(0) == experts
