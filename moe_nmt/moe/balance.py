"""Balancing losses and figures (section 4, App. A and B)."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from moe_nmt.moe.routing import Routing


def squared_cv(values: Tensor) -> Tensor:
    """CV(v)^2 = variance / mean^2 over the experts, with the biased variance: [experts] -> [].

    Zero where all values are zero, as for a batch without tokens.
    """
    mean = values.mean()
    variance = (values - mean).square().mean()
    return variance / mean.square().clamp_min(torch.finfo(values.dtype).tiny)


def importance_loss(routing: Routing) -> Tensor:
    """CV(Importance(X))^2, without its weight w_importance: []."""
    return squared_cv(routing.importance)


def load_loss(routing: Routing) -> Tensor:
    """CV(Load(X))^2, without its weight w_load: []."""
    return squared_cv(routing.load)


@dataclass(frozen=True)
class BalanceFigures:
    """The figures of Table 6, detached."""

    importance_cv: Tensor  # []
    load_cv: Tensor  # []
    max_over_mean_load: Tensor  # []


def balance_figures(importance: Tensor, load: Tensor) -> BalanceFigures:
    """CV(Importance), CV(Load) and max(Load) / mean(Load) from [experts] and [experts]."""
    importance, load = importance.detach(), load.detach()
    tiny = torch.finfo(load.dtype).tiny
    return BalanceFigures(
        importance_cv=squared_cv(importance).sqrt(),
        load_cv=squared_cv(load).sqrt(),
        max_over_mean_load=load.max() / load.mean().clamp_min(tiny),
    )
