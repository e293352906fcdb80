"""How evenly a trained model uses its experts on real text (the figures of Table 6)."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import torch
from torch import Tensor

from moe_nmt.files.tables import table
from moe_nmt.moe.balance import balance_figures
from moe_nmt.moe.gate import Gate


@torch.no_grad()
def expert_use(
    model: Any, batches: Iterable[dict[str, Any]], noise_seed: int | None = None
) -> dict[str, tuple[Tensor, Tensor]]:
    """Adds up importance and load of every mixture over batches.

    Args:
        model: a translation model; put into evaluation mode.
        batches: as fairseq's translation task collates them.
        noise_seed: lets the gates alone work as in training, with noise of this seed, and load is
            the smooth estimate; None: no noise, and load is the count of tokens.

    Returns:
        Importance [experts] and load [experts] of each mixture by name, such as ``encoder_2``.
    """
    model.eval()
    if noise_seed is not None:
        torch.manual_seed(noise_seed)
        for module in model.modules():
            if isinstance(module, Gate):
                module.train()
    sums: dict[str, tuple[Tensor, Tensor]] = {}
    for batch in batches:
        _, extra = model(**batch["net_input"], features_only=True)
        for name, routing in extra["routings"].items():
            importance, load = sums.get(name, (0, 0))
            sums[name] = (importance + routing.importance, load + routing.load)
    model.eval()
    return sums


def balance_table(use: dict[str, tuple[Tensor, Tensor]]) -> str:
    """The balance of each mixture as lines of text."""
    head = ("mixture", "experts", "CV(importance)", "CV(load)", "max/mean load", "unused")
    rows: list[tuple[str, ...]] = [head]
    for name, (importance, load) in use.items():
        figures = balance_figures(importance, load)
        balance = (f"{value:.3f}" for value in vars(figures).values())
        rows.append((name, str(load.numel()), *balance, str(int((load == 0).sum()))))
    return table(rows)
