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
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import torch
import torch.distributed as dist
from fairseq import checkpoint_utils
from fairseq.trainer import Trainer
from torch import Tensor

from moe_nmt.distributed import Part, parts_of_parameters
from moe_nmt.distributed.parts import Catalogue, DamagedError, write_parts
from moe_nmt.launch import is_one_of_many

logger = logging.getLogger(__name__)

KEY = "experts_folder"  # in a checkpoint's file
FOLDER = re.compile(r"experts-\d+-[0-9a-f]{8}")


def install() -> None:
    """Makes fairseq's saving remove the folders of experts that it has made superfluous."""
    save = checkpoint_utils.save_checkpoint

    def save_and_tidy_up(cfg: Any, trainer: Trainer, *args: Any, **kwargs: Any) -> Any:
        saved = save(cfg, trainer, *args, **kwargs)
        if trainer.is_data_parallel_master and not cfg.no_save:
            remove_unnamed_experts(Path(cfg.save_dir))
        return saved

    checkpoint_utils.save_checkpoint = save_and_tidy_up


def is_sharded(cfg: Any) -> bool:
    """Whether a training's checkpoints are to be in shards."""
    return bool(getattr(cfg.task, "sharded_checkpoints", False))


def save_experts(trainer: Trainer) -> str:
    """Writes all experts, and the optimizer's state of them, into a new folder; its name.

    All workers call it.
    """
    names = [f"experts-{trainer.get_num_updates()}-{secrets.token_hex(4)}"]
    if is_one_of_many():
        dist.broadcast_object_list(names)
    parts = {f"model.{name}": p for name, p in parts_of_parameters(trainer.get_model()).items()}
    if not trainer.cfg.checkpoint.no_save_optimizer_state:
        for (number, name), part in trainer.optimizer_state.parts().items():
            parts[f"optimizer.{number}.{name}"] = part
    folder = Path(trainer.cfg.checkpoint.save_dir) / names[0]
    try:
        write_parts(folder, parts)
    except OSError as error:
        raise SystemExit(f"moe_nmt: cannot write {folder}: {error}") from error
    trainer.optimizer_state.leave_out()
    return names[0]


class SavedExperts:
    """The experts of a checkpoint in shards, and the optimizer's state of them.

    Raises:
        SystemExit: they are not all there.
    """

    def __init__(self, checkpoint: Path, folder: str) -> None:
        self.checkpoint = checkpoint
        with self.refusing_damage():
            self.catalogue = Catalogue(checkpoint.parent / Path(folder).name)

    @contextmanager
    def refusing_damage(self) -> Iterator[None]:
        """Stops in one sentence at what is missing or broken."""
        try:
            yield
        except DamagedError as error:
            raise SystemExit(
                f"moe_nmt: {self.checkpoint} lacks some of its experts: {error}: restore that "
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
        for stored, part in parts.items():
            kind, _, name = stored.partition(".")
            if kind == "model":
                state["model"][name] = part.rows
            else:
                number, _, name = name.partition(".")
                state["last_optimizer_state"]["state"][int(number)][name] = part.rows

    @contextmanager
    def inserted(
        self, trainer: Trainer, load: Callable[..., dict[str, Any]], reset_optimizer: bool
    ) -> Iterator[None]:
        """While fairseq resumes, each worker reads the file itself, and its own experts with it.

        Args:
            trainer: whose model and optimizer have this worker's experts.
            load: fairseq's function that reads a checkpoint's file.
            reset_optimizer: whether the optimizer's state is not wanted.
        """

        def load_own(*args: Any, **kwargs: Any) -> dict[str, Any]:
            state = load(*args, **kwargs)
            wants_optimizer = not reset_optimizer and "last_optimizer_state" in state
            self.insert(state, self.own_parts(trainer, wants_optimizer))
            return state

        settings = trainer.cfg.checkpoint
        load_before = checkpoint_utils.load_checkpoint_to_cpu
        everywhere_before = settings.load_checkpoint_on_all_dp_ranks
        checkpoint_utils.load_checkpoint_to_cpu = load_own
        settings.load_checkpoint_on_all_dp_ranks = True
        try:
            yield
        finally:
            checkpoint_utils.load_checkpoint_to_cpu = load_before
            settings.load_checkpoint_on_all_dp_ranks = everywhere_before

    def own_parts(self, trainer: Trainer, optimizer: bool) -> dict[str, Part]:
        """Rows for what this worker has of all that is stored, the optimizer's part if wanted."""
        shards = {
            f"model.{name}": parameter.expert
            for name, parameter in trainer.get_model().named_parameters()
            if hasattr(parameter, "expert")
        }
        if optimizer:
            trainer._build_optimizer()  # as fairseq does next
            for number, (_, shard) in trainer.optimizer_state.experts().items():
                shards[f"optimizer.{number}"] = shard
        parts = {}
        for stored, whole in self.catalogue.wholes.items():
            shard = shards.get(stored) or shards.get(stored.rpartition(".")[0])
            if shard is not None:
                rows = torch.empty(shard.size, *whole.shape[1:], dtype=whole.dtype)
                parts[stored] = Part.of_experts(rows, shard)
        return parts


def refuse_sharded(path: Path | str, state: dict[str, Any]) -> None:
    """Stops at a checkpoint in shards, where one file is needed."""
    if KEY in state:
        raise SystemExit(
            f"moe_nmt: {path} has its experts in the folder {state[KEY]}: make one file of both "
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
