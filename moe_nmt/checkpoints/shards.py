"""Checkpoints in shards: each worker writes its own experts, none needs the memory for all.

``checkpointN.pt`` is then small: it holds everything but the experts and what the optimizer keeps
of them, and names the folder beside it that holds these.  The folder, of a name never used before,
is written first and the file last, so that a kill at any moment leaves what was there before.
Copies of the file, checkpoint_best.pt, say, name the same folder; one that no file names any more
is removed.
"""

from __future__ import annotations

import logging
import os
import re
import secrets
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import torch
import torch.distributed as dist
from torch import Tensor

from moe_nmt.checkpoints.parts import Catalogue, write_parts
from moe_nmt.checkpoints.parts_of_torch import CATALOGUE as OF_TORCH
from moe_nmt.checkpoints.parts_of_torch import CatalogueOfTorch
from moe_nmt.checkpoints.rows import DamagedError
from moe_nmt.distributed import Part, Shard, is_one_of_many
from moe_nmt.errors import UserError

logger = logging.getLogger(__name__)

KEY = "experts_folder"  # in a checkpoint's file
FOLDER = re.compile(r"experts-\d+-[0-9a-f]{8}")


def write_experts(save_dir: Path, update: int, parts: dict[str, Part]) -> str:
    """Writes this worker's experts into a new folder that all share, and returns its name.

    All workers call it.

    Args:
        save_dir: the folder of the checkpoints.
        update: of the training.
        parts: of parameters, ``model.NAME``; of the optimizer's state, ``optimizer.NUMBER.NAME``.
    """
    names = [f"experts-{update}-{secrets.token_hex(4)}"]
    if is_one_of_many():
        dist.broadcast_object_list(names)
    folder = save_dir / names[0]
    try:
        write_parts(folder, parts)
    except OSError as error:
        raise UserError(f"cannot write {folder}: {error}") from error
    return names[0]


def catalogue_of(folder: Path) -> Catalogue | CatalogueOfTorch:
    """What a folder holds; versions before this one wrote another format."""
    if (folder / OF_TORCH).exists():
        return CatalogueOfTorch(folder)
    return Catalogue(folder)


class SavedExperts:
    """The experts of a checkpoint in shards, and the optimizer's state of them.

    Raises:
        UserError: they are not all there.
    """

    def __init__(self, checkpoint: Path, folder: str) -> None:
        self.checkpoint = checkpoint
        with self.refusing_damage():
            self.catalogue = catalogue_of(checkpoint.parent / Path(folder).name)

    @contextmanager
    def refusing_damage(self) -> Iterator[None]:
        """Stops in one sentence at what is missing or broken."""
        try:
            yield
        except DamagedError as error:
            raise UserError(
                f"{self.checkpoint} lacks some of its experts: {error}: restore that "
                "file, or use another checkpoint of the same training"
            ) from error

    @property
    def weights(self) -> dict[str, Tensor]:
        """The experts' parameters by name, [experts, ...] each, without their values."""
        return {
            stored.removeprefix("model."): whole
            for stored, whole in self.catalogue.wholes.items()
            if stored.startswith("model.")
        }

    def insert(self, state: dict[str, Any], parts: dict[str, Part]) -> None:
        """Reads rows of what is stored, and puts them where an ordinary checkpoint has them."""
        with self.refusing_damage():
            self.catalogue.read(parts)
        weights, optimizer = by_kind(parts)
        state["model"] |= weights
        for number, tensors in optimizer.items():
            state["last_optimizer_state"]["state"][number] |= tensors

    def read_own(self, shards: dict[str, Shard]) -> dict[str, Part]:
        """Reads this worker's rows.

        Args:
            shards: the experts here of each ``model.NAME``, and of each ``optimizer.NUMBER`` whose
                state is wanted.
        """
        parts = {}
        for stored, whole in self.catalogue.wholes.items():
            shard = shards.get(stored) or shards.get(stored.rpartition(".")[0])
            if shard is not None:
                rows = torch.empty(shard.size, *whole.shape[1:], dtype=whole.dtype)
                parts[stored] = Part.of_experts(rows, shard)
        with self.refusing_damage():
            self.catalogue.read(parts)
        return parts


def by_kind(parts: dict[str, Part]) -> tuple[dict[str, Tensor], dict[int, dict[str, Tensor]]]:
    """The rows of parameters by name, and of the optimizer's state by number and name."""
    weights: dict[str, Tensor] = {}
    optimizer: dict[int, dict[str, Tensor]] = {}
    for stored, part in parts.items():
        kind, _, name = stored.partition(".")
        if kind == "model":
            weights[name] = part.rows
        else:
            number, _, name = name.partition(".")
            optimizer.setdefault(int(number), {})[name] = part.rows
    return weights, optimizer


def refuse_sharded(path: Path | str, state: dict[str, Any]) -> None:
    """Stops at a checkpoint in shards, where one file is needed."""
    if KEY in state:
        raise UserError(
            f"{path} has its experts in the folder {state[KEY]}: make one file of both "
            f"with moe-nmt-consolidate {path} --output FILE"
        )


def remove_unnamed_experts(folder: Path) -> None:
    """Removes experts that no checkpoint in a folder names: old ones, or half written."""
    found = [path for path in folder.glob("experts-*") if FOLDER.fullmatch(path.name)]
    if not found:
        return
    named = set()
    for path in folder.glob("*.pt"):
        try:
            state = torch.load(path, map_location="cpu", mmap=True, weights_only=True)
            with path.open("rb") as file:
                os.fsync(file.fileno())  # before what it replaces is gone
        except Exception as error:
            logger.warning("all experts stay, because %s cannot be read: %s", path, error)
            return
        if isinstance(state, dict):
            named.add(state.get(KEY))
    for path in found:
        if path.name not in named:
            shutil.rmtree(path)
