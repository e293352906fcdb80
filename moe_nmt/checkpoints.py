"""Lets today's torch read fairseq's checkpoints safely, and fairseq write them safely.

torch.load unpickles nothing but tensors and plain values (weights_only); what fairseq puts into a
checkpoint besides those is named here, type by type.
"""

from __future__ import annotations

import argparse
import collections
import pickle
import typing
import zipfile
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import omegaconf
import torch
from fairseq import checkpoint_utils
from fairseq.distributed.utils import _TensorPlaceholder
from fairseq.file_io import PathManager
from fairseq.trainer import Trainer
from numpy._core.multiarray import _reconstruct
from torch import Tensor

from moe_nmt.distributed import whole_shapes
from moe_nmt.sharded_checkpoints import KEY, SavedExperts, refuse_sharded


def allow_fairseq_types() -> None:
    """Adds the harmless types found in fairseq's checkpoints to torch's safe list."""
    torch.serialization.add_safe_globals(
        [
            argparse.Namespace,  # options of components registered without a dataclass
            # the BLEU meters of --eval-bleu
            _reconstruct,
            np.ndarray,
            np.dtype,
            np.dtypes.Int64DType,
            np.dtypes.Float64DType,
            # the configuration as broadcast to the workers of a distributed run
            omegaconf.DictConfig,
            omegaconf.ListConfig,
            omegaconf.base.ContainerMetadata,
            omegaconf.base.Metadata,
            omegaconf.nodes.AnyNode,
            typing.Any,
            dict,
            list,
            int,
            collections.defaultdict,
            _TensorPlaceholder,
        ]
    )


def copy_whole() -> None:
    """Makes fairseq's copies of a checkpoint, such as checkpoint_last.pt, appear at once or never.

    It copies onto the last good one, and a kill at that moment would leave half of it.
    """
    copy = PathManager.copy

    def copy_and_rename(src_path: str, dst_path: str, overwrite: bool = False) -> bool:
        temporary = f"{dst_path}.part"
        copied: bool = copy(src_path, temporary, overwrite=True)
        PathManager.rename(temporary, dst_path)
        return copied

    PathManager.copy = staticmethod(copy_and_rename)


def check_before_loading() -> None:
    """Makes fairseq refuse a checkpoint that it cannot use in one sentence, not deep in torch."""
    load, resume = checkpoint_utils.load_checkpoint_to_cpu, Trainer.load_checkpoint
    load_models = checkpoint_utils.load_model_ensemble_and_task

    def checked_load_models(*args: Any, **kwargs: Any) -> Any:
        try:
            return load_models(*args, **kwargs)
        except OSError as error:
            if not str(error).startswith("Model file not found"):
                raise
            raise SystemExit(f"moe_nmt: {error}") from error

    def checked_load(path: str, *args: Any, **kwargs: Any) -> dict[str, Any]:
        with refusing_bad_files(path):
            state: dict[str, Any] = load(path, *args, **kwargs)
        refuse_sharded(path, state)
        return state

    def checked_resume(
        trainer: Trainer, path: str, reset_optimizer: bool = False, *args: Any, **kwargs: Any
    ) -> Any:
        if not Path(path).is_file():
            return resume(trainer, path, reset_optimizer, *args, **kwargs)
        state = read(Path(path))  # mapped: only the sizes are read
        # fairseq restores a task's state everywhere but here.
        trainer.task.load_state_dict(state.get("task_state", {}))
        weights: dict[str, Tensor] = state["model"]
        reading: AbstractContextManager[None] = nullcontext()
        if KEY in state:
            experts = SavedExperts(Path(path), state[KEY])
            weights = {**weights, **experts.weights}
            reading = experts.inserted(trainer, load, reset_optimizer)
        refuse_other_sizes(path, weights, whole_shapes(trainer.get_model()))
        workers_then = state["cfg"]["distributed_training"]["distributed_world_size"]
        with reading:
            extra_state = resume(trainer, path, reset_optimizer, *args, **kwargs)
        position = extra_state["train_iterator"]
        position["iterations_in_epoch"] = rescale(
            position["iterations_in_epoch"], workers_then, trainer.data_parallel_world_size
        )
        return extra_state

    checkpoint_utils.load_model_ensemble_and_task = checked_load_models
    checkpoint_utils.load_checkpoint_to_cpu = checked_load
    Trainer.load_checkpoint = checked_resume


def rescale(batches: int, workers_then: int, workers_now: int) -> int:
    """How many batches of an epoch each worker has seen, when there were other workers.

    fairseq counts those of one worker. What does not come out even is seen again, not left out.
    """
    return batches * workers_then // workers_now


def read(path: Path) -> dict[str, Any]:
    """Reads a checkpoint; tensors are mapped from the file, not copied to memory."""
    if not path.exists():
        raise SystemExit(f"moe_nmt: {path} does not exist: leave it out or name another")
    if path.is_dir():
        raise SystemExit(f"moe_nmt: {path} is a folder: name checkpoints in it")
    with refusing_bad_files(str(path)):
        state: dict[str, Any] = torch.load(path, map_location="cpu", mmap=True, weights_only=True)
    if "model" not in state:
        raise SystemExit(f"moe_nmt: {path} is no fairseq checkpoint: it holds no model")
    return state


@contextmanager
def refusing_bad_files(path: str) -> Iterator[None]:
    """Stops unless a file is a whole zip archive of harmless values, as torch.save writes it."""
    if not zipfile.is_zipfile(path):
        raise SystemExit(
            f"moe_nmt: {path} is not a whole checkpoint: it was cut off or is another kind of "
            "file; use an earlier checkpoint of the same folder"
        )
    try:
        yield
    except pickle.UnpicklingError as error:
        raise SystemExit(
            f"moe_nmt: {path} holds more than tensors and plain values, so that reading it may run "
            "any code: use a checkpoint of fairseq-train --user-dir moe_nmt"
        ) from error


class Difference(NamedTuple):
    """A parameter that two models do not share."""

    name: str
    one: str  # its shape, or that there is none
    other: str


def difference(one: dict[str, Tensor], other: dict[str, Tensor]) -> Difference | None:
    """The first parameter whose shapes differ between two models' state_dicts, if there is one."""
    for name in sorted(one.keys() | other.keys()):
        shapes = [str(tuple(p[name].shape)) if name in p else "absent" for p in (one, other)]
        if shapes[0] != shapes[1]:
            return Difference(name, *shapes)
    return None


def refuse_other_sizes(path: str, saved: dict[str, Tensor], model: dict[str, Tensor]) -> None:
    """Stops unless a checkpoint's parameters are those of the model."""
    if found := difference(saved, model):
        raise SystemExit(
            f"moe_nmt: {path} is of another model: {found.name} is {found.one} there and "
            f"{found.other} here; give the model's options of its training, or another --save-dir"
        )
