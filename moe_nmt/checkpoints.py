"""Lets today's torch read fairseq's checkpoints safely.

torch.load unpickles nothing but tensors and plain values (weights_only); what fairseq puts into a
checkpoint besides those is named here, type by type.
"""

from __future__ import annotations

import argparse
import collections
import typing
import zipfile
from typing import Any

import numpy as np
import omegaconf
import torch
from fairseq import checkpoint_utils
from fairseq.distributed.utils import _TensorPlaceholder


def allow_fairseq_types() -> None:
    """Adds the harmless types found in fairseq's checkpoints to torch's safe list."""
    torch.serialization.add_safe_globals(
        [
            argparse.Namespace,  # options of components registered without a dataclass
            # the BLEU meters of --eval-bleu
            np._core.multiarray._reconstruct,
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


def check_before_loading() -> None:
    """Makes fairseq refuse a damaged checkpoint in one sentence, not in the middle of torch."""
    load = checkpoint_utils.load_checkpoint_to_cpu

    def checked_load(path: str, *args: Any, **kwargs: Any) -> dict[str, Any]:
        if not zipfile.is_zipfile(path):
            raise SystemExit(
                f"moe_nmt: {path} is not a whole checkpoint: it was cut off or is another kind of "
                "file; use an earlier checkpoint of the same folder"
            )
        state: dict[str, Any] = load(path, *args, **kwargs)
        return state

    checkpoint_utils.load_checkpoint_to_cpu = checked_load
