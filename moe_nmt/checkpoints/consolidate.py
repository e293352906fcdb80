"""Makes one ordinary checkpoint of one in shards."""

from __future__ import annotations

import os
import tempfile
from pathlib import Path

import torch
from torch import Tensor

from moe_nmt.checkpoints.reading import read
from moe_nmt.checkpoints.shards import KEY, SavedExperts
from moe_nmt.checkpoints.writing import save
from moe_nmt.distributed import Part
from moe_nmt.errors import UserError
from moe_nmt.files.text import writing


def consolidate(checkpoint: Path, output: Path, model_only: bool = False) -> None:
    """Writes a checkpoint as a training without shards would have written it.

    The experts pass through files beside the output, mapped into memory, so that the process
    needs the memory for what one worker wrote of one matrix, and the disk the space for two copies.

    Args:
        checkpoint: one in shards.
        output: where to write.
        model_only: leave out the optimizer's state, which only a training needs.
    """
    state = read(checkpoint)
    if KEY not in state:
        raise UserError(f"{checkpoint} is one file already: use it as it is")
    experts = SavedExperts(checkpoint, state.pop(KEY))
    if model_only:
        state.pop("last_optimizer_state", None)
    with writing(output):
        output.parent.mkdir(parents=True, exist_ok=True)
    with (
        writing(output),
        tempfile.TemporaryDirectory(prefix=f"{output.name}.", dir=output.parent) as scratch,
    ):
        parts = {}
        for number, (stored, whole) in enumerate(experts.catalogue.wholes.items()):
            if stored.startswith("model.") or not model_only:
                rows = mapped_like(whole, Path(scratch) / str(number))
                parts[stored] = Part(rows, 0, rows.size(0))
        experts.insert(state, parts)
        save(state, output)


def mapped_like(whole: Tensor, file: Path) -> Tensor:
    """A tensor of that shape whose values are in a new file; half precision becomes float32.

    fairseq does the same to what it saves.
    """
    dtype = torch.float32 if whole.dtype in (torch.float16, torch.bfloat16) else whole.dtype
    with file.open("wb") as empty:  # a full disk is told now, and does not kill the process later
        os.posix_fallocate(empty.fileno(), 0, whole.numel() * dtype.itemsize)
    flat = torch.from_file(str(file), shared=True, size=whole.numel(), dtype=dtype)
    return flat.view(whole.shape)
