"""Averages the parameters of several checkpoints of one training."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from torch import Tensor

from moe_nmt.checkpoints.reading import difference, read
from moe_nmt.checkpoints.shards import refuse_sharded
from moe_nmt.errors import UserError


def average(paths: Sequence[Path]) -> dict[str, Any]:
    """The last checkpoint with the mean of all models, without the optimizer's state.

    Sums are in float64 and means in the parameter's own type; what is not floating point, a count,
    say, stays as in the last checkpoint.
    """
    state: dict[str, Any] = {}
    sums: dict[str, Tensor] = {}
    files = [path.resolve() for path in paths]
    for path in paths:
        if files.count(path.resolve()) > 1:
            raise UserError(f"{path} is named twice: it would count twice in the mean")
        state = read(path)
        refuse_sharded(path, state)
        model: dict[str, Tensor] = state["model"]
        if sums:
            check_same_shapes(sums, model, paths[0], path)
        for name, value in model.items():
            if value.is_floating_point():
                sums[name] = value.double() + sums.get(name, 0.0)
            else:
                sums[name] = value
    state["model"] = {
        name: (total / len(paths) if total.is_floating_point() else total).to(
            state["model"][name].dtype
        )
        for name, total in sums.items()
    }
    state.pop("last_optimizer_state", None)
    return state


def check_same_shapes(
    expected: dict[str, Tensor], model: dict[str, Tensor], first: Path, path: Path
) -> None:
    """Stops unless two checkpoints are of the same model."""
    if found := difference(expected, model):
        raise UserError(
            f"{first} and {path} are not of the same model: {found.name} is {found.one} "
            f"in the first and {found.other} in the second; average checkpoints of one training"
        )
