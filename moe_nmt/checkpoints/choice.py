"""Which checkpoints of a training to average: the last n, the best n, or from one to another."""

from __future__ import annotations

from pathlib import Path
from typing import NamedTuple

from moe_nmt.checkpoints.names import BEST, KINDS
from moe_nmt.checkpoints.reading import read
from moe_nmt.errors import UserError


class Numbered(NamedTuple):
    """A checkpoint and its epoch or update."""

    number: int
    path: Path


def numbered(folder: Path, kind: str | None) -> tuple[str, list[Numbered]]:
    """The checkpoints of epochs or of updates, and which of these they are, oldest first.

    Raises:
        UserError: where the folder has both kinds and none was chosen.
    """
    found: dict[str, list[Numbered]] = {name: [] for name in KINDS}
    for path in files(folder):
        for name, pattern in KINDS.items():
            if match := pattern.fullmatch(path.name):
                found[name].append(Numbered(int(match[1]), path))
    if kind is None:
        if all(found.values()):
            raise UserError(
                f"{folder} has checkpoints of epochs and of updates: "
                "choose with --kind epoch or --kind update"
            )
        kind = "update" if found["update"] else "epoch"
    return kind, sorted(found[kind])


def files(folder: Path) -> list[Path]:
    """What is in a folder."""
    if not folder.is_dir():
        raise UserError(f"{folder} is no folder of checkpoints")
    return sorted(folder.iterdir())


def last(folder: Path, count: int, kind: str | None) -> list[Path]:
    """The last checkpoints of a folder, oldest first."""
    refuse_too_few("--last", count)
    kind, found = numbered(folder, kind)
    if len(found) < count:
        raise UserError(
            f"{folder} has {len(found)} {kind} checkpoints, fewer than --last "
            f"{count}: ask for fewer, or train with --keep-last-epochs {count} or more"
        )
    return [path for _, path in found[-count:]]


def between(folder: Path, first: int, final: int, kind: str | None) -> list[Path]:
    """The checkpoints from one epoch, or update, to another, both included, oldest first."""
    if first > final:
        raise UserError(f"--between {first} {final}: the smaller number comes first")
    kind, found = numbered(folder, kind)
    chosen = {number: path for number, path in found if first <= number <= final}
    if not {first, final} <= chosen.keys():
        there = ", ".join(str(number) for number, _ in found) or "none"
        raise UserError(
            f"{folder} lacks the checkpoint of {kind} {first} or {final}: it has {there}"
        )
    return [*chosen.values()]


def best(folder: Path, count: int) -> list[Path]:
    """The checkpoints that validated best, oldest first; of equal ones the earlier is better.

    Each one remembers its value of ``--best-checkpoint-metric``, and whether more is better.
    """
    refuse_too_few("--best", count)
    ranked: dict[int, tuple[float, Path]] = {}  # update -> value, to be small
    for path in files(folder):
        if not any(pattern.fullmatch(path.name) for pattern in (*KINDS.values(), BEST)):
            continue
        state = read(path)
        value = (state.get("extra_state") or {}).get("val_loss")
        if value is None:
            continue
        try:
            is_more_better = state["cfg"]["checkpoint"]["maximize_best_checkpoint_metric"]
            update = state["optimizer_history"][-1]["num_updates"]
        except (LookupError, TypeError) as error:
            raise UserError(
                f"{path} does not tell its metric or its update: name the checkpoints to average"
            ) from error
        ranked.setdefault(update, (-value if is_more_better else value, path))
    if len(ranked) < count:
        raise UserError(
            f"{folder} has {len(ranked)} validated checkpoints, fewer than --best "
            f"{count}: ask for fewer, or train with --keep-best-checkpoints {count}"
        )
    chosen = sorted(ranked, key=lambda update: (ranked[update][0], update))[:count]
    return [ranked[update][1] for update in sorted(chosen)]


def refuse_too_few(option: str, count: int) -> None:
    """Stops at a count of none."""
    if count < 1:
        raise UserError(f"{option} must be at least 1, not {count}")
