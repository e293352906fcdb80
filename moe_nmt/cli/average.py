"""``moe-nmt-average``: averages the parameters of several checkpoints of one training."""

from __future__ import annotations

import argparse
import re
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from moe_nmt.checkpoints import allow_fairseq_types, difference, refusing_bad_files
from moe_nmt.corpus.files import written_whole

NAMES = {
    "epoch": re.compile(r"checkpoint(\d+)\.pt"),
    "update": re.compile(r"checkpoint_\d+_(\d+)\.pt"),
}


def load(path: Path) -> dict[str, Any]:
    """Reads a checkpoint; tensors are mapped from the file, not copied to memory."""
    if not path.exists():
        raise SystemExit(f"moe_nmt: {path} does not exist: leave it out or name another")
    with refusing_bad_files(str(path)):
        state: dict[str, Any] = torch.load(path, map_location="cpu", mmap=True, weights_only=True)
    if "model" not in state:
        raise SystemExit(f"moe_nmt: {path} is no fairseq checkpoint: it holds no model")
    return state


def average(paths: Sequence[Path]) -> dict[str, Any]:
    """The last checkpoint with the mean of all models, without the optimizer's state.

    Sums are in float64 and means in the parameter's own type; what is not floating point, a count,
    say, stays as in the last checkpoint.
    """
    state: dict[str, Any] = {}
    sums: dict[str, Tensor] = {}
    for path in paths:
        state = load(path)
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
        raise SystemExit(
            f"moe_nmt: {first} and {path} are not of the same model: {found.name} is {found.one} "
            f"in the first and {found.other} in the second; average checkpoints of one training"
        )


def last_checkpoints(folder: Path, count: int, kind: str | None) -> list[Path]:
    """The last checkpoints of a folder, oldest first."""
    if count < 1:
        raise SystemExit(f"moe_nmt: --last must be at least 1, not {count}")
    if not folder.is_dir():
        raise SystemExit(f"moe_nmt: {folder} is no folder of checkpoints")
    found: dict[str, list[tuple[int, Path]]] = {name: [] for name in NAMES}
    for path in folder.iterdir():
        for name, pattern in NAMES.items():
            if match := pattern.fullmatch(path.name):
                found[name].append((int(match[1]), path))
    if kind is None:
        if all(found.values()):
            raise SystemExit(
                f"moe_nmt: {folder} has checkpoints of epochs and of updates: "
                "choose with --kind epoch or --kind update"
            )
        kind = "update" if found["update"] else "epoch"
    if len(found[kind]) < count:
        raise SystemExit(
            f"moe_nmt: {folder} has {len(found[kind])} {kind} checkpoints, fewer than --last "
            f"{count}: ask for fewer, or train with --keep-last-epochs {count} or more"
        )
    return [path for _, path in sorted(found[kind])[-count:]]


def main(arguments: Sequence[str] | None = None) -> None:
    """The command line."""
    parser = argparse.ArgumentParser(
        prog="moe-nmt-average",
        description="Averages the models of fairseq checkpoints into one for fairseq-generate.",
    )
    parser.add_argument("--output", type=Path, required=True, metavar="FILE")
    parser.add_argument(
        "--last", type=int, metavar="N", help="take the last N of the folder named instead"
    )
    parser.add_argument(
        "--kind",
        choices=[*NAMES],
        help="with --last: checkpointN.pt (epoch) or checkpoint_E_N.pt (update), "
        "needed where the folder has both",
    )
    parser.add_argument("checkpoints", nargs="+", type=Path, metavar="CHECKPOINT")
    args = parser.parse_args(arguments)
    paths: list[Path] = args.checkpoints
    if args.last is not None:
        if len(paths) != 1:
            parser.error("--last takes one folder")
        paths = last_checkpoints(paths[0], args.last, args.kind)
    elif args.kind is not None:
        parser.error("--kind is for --last")
    allow_fairseq_types()
    state = average(paths)
    with written_whole(args.output) as temporary:
        torch.save(state, temporary)
    print(f"averaged {', '.join(str(path) for path in paths)} to {args.output}")


if __name__ == "__main__":
    main()
