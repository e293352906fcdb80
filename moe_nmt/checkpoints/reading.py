"""Lets today's torch read fairseq's checkpoints safely.

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
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import omegaconf
import torch
from fairseq.distributed.utils import _TensorPlaceholder
from numpy._core.multiarray import _reconstruct
from torch import Tensor

from moe_nmt.errors import UserError


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


def read(path: Path) -> dict[str, Any]:
    """Reads a checkpoint; tensors are mapped from the file, not copied to memory."""
    if not path.exists():
        raise UserError(f"{path} does not exist: leave it out or name another")
    if path.is_dir():
        raise UserError(f"{path} is a folder: name checkpoints in it")
    with refusing_bad_files(str(path)):
        state: Any = torch.load(path, map_location="cpu", mmap=True, weights_only=True)
    model = state.get("model") if isinstance(state, dict) else None
    if not isinstance(model, dict) or not model or not all(map(torch.is_tensor, model.values())):
        raise UserError(f"{path} is no fairseq checkpoint: it holds no model")
    return dict(state)


@contextmanager
def refusing_bad_files(path: str) -> Iterator[None]:
    """Stops unless a file is a whole zip archive of harmless values, as torch.save writes it."""
    damaged = (
        f"{path} is not a whole checkpoint: it was cut off or is another kind of "
        "file; use an earlier checkpoint of the same folder"
    )
    if not zipfile.is_zipfile(path):
        raise UserError(damaged)
    try:
        yield
    except RuntimeError as error:  # an archive of something else, or a damaged one
        raise UserError(damaged) from error
    except pickle.UnpicklingError as error:
        raise UserError(
            f"{path} holds more than tensors and plain values, so that reading it may run "
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
        raise UserError(
            f"{path} is of another model: {found.name} is {found.one} there and "
            f"{found.other} here; give the model's options of its training, or another --save-dir"
        )
