"""Reads folders of tensors as versions before this one wrote them.

The format is that of torch.distributed.checkpoint, one file a worker and a catalogue. torch reads
the catalogue by pickle, which may run any code; here it is read by an unpickler that knows nothing
but the catalogue's own types.
"""

from __future__ import annotations

import pickle
import warnings
from pathlib import Path
from typing import Any

import torch
import torch.distributed.checkpoint as dcp
from torch import Tensor
from torch.distributed.checkpoint.api import CheckpointException
from torch.distributed.checkpoint.default_planner import DefaultLoadPlanner
from torch.distributed.checkpoint.metadata import (
    _MEM_FORMAT_ENCODING,
    ChunkStorageMetadata,
    Metadata,
    MetadataIndex,
    TensorStorageMetadata,
)
from torch.distributed.checkpoint.planner import LoadPlan
from torch.distributed.checkpoint.planner_helpers import create_read_items_for_chunk_list
from typing_extensions import override

from moe_nmt.checkpoints.rows import DamagedError
from moe_nmt.distributed import Part

CATALOGUE = ".metadata"  # torch's name
# What a catalogue of tensors consists of. Bytes, which torch would unpickle, are not among it.
CATALOGUE_TYPES = {
    "torch.distributed.checkpoint.metadata": {
        *("Metadata", "MetadataIndex", "StorageMeta", "TensorStorageMetadata"),
        *("TensorProperties", "ChunkStorageMetadata", "_MEM_FORMAT_ENCODING"),
    },
    "torch.distributed.checkpoint.filesystem": {"_StorageInfo"},
    "torch.serialization": {"_get_layout"},
    "torch": {"Size", "float64", "float32", "float16", "bfloat16"},
    "pathlib": {"PosixPath"},
    "pathlib._local": {"PosixPath"},  # where Python 3.13 alone has it
}
MEMORY_FORMATS = dict(_MEM_FORMAT_ENCODING.__members__)


def chunk(part: Part) -> ChunkStorageMetadata:
    """Which rows of the whole a part is, as torch describes it."""
    offsets = torch.Size([part.start, *[0] * (part.rows.dim() - 1)])
    return ChunkStorageMetadata(offsets, part.rows.size())


class CatalogueOfTorch:
    """What tensors a folder holds, and where; as ``parts.Catalogue``.

    Raises:
        DamagedError: the folder is not whole.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        try:
            with (folder / CATALOGUE).open("rb") as file:
                self.metadata: Metadata = CatalogueUnpickler(file).load()
            self.wholes = {  # by name, without their values
                name: torch.empty(stored.size, dtype=stored.properties.dtype, device="meta")
                for name, stored in self.metadata.state_dict_metadata.items()
            }
        except OSError as error:
            raise DamagedError(f"{folder / CATALOGUE}: {error.strerror}") from error
        except Exception as error:  # a pickle that was cut off may raise anything
            raise DamagedError(f"{folder / CATALOGUE} is no catalogue of tensors") from error
        self.check_files()

    def check_files(self) -> None:
        """Stops where a file is missing or cut off."""
        ends: dict[str, int] = {}
        for stored in self.metadata.storage_data.values():
            end = stored.offset + stored.length
            ends[stored.relative_path] = max(ends.get(stored.relative_path, 0), end)
        for name, end in ends.items():
            file = self.folder / name
            if Path(name).name != name or not file.is_file():
                raise DamagedError(f"{file} is missing")
            if file.stat().st_size != end:
                raise DamagedError(f"{file} has {file.stat().st_size} bytes instead of {end}")

    def read(self, parts: dict[str, Part]) -> None:
        """Fills rows with their values; each worker may read other ones, with no need of others.

        Raises:
            DamagedError: a file holds something else.
        """
        rows = {name: part.rows for name, part in parts.items()}
        try:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")  # that no other workers are asked
                dcp.load(
                    rows,
                    storage_reader=CatalogueReader(self),
                    planner=PartReader(parts),
                    no_dist=True,
                )
        except CheckpointException as error:
            (failure, _), *_ = error.failures.values()
            reason = str(failure).partition("\n")[0]
            raise DamagedError(f"{self.folder} cannot be read: {reason}") from error


class CatalogueUnpickler(pickle.Unpickler):
    """Reads a catalogue and nothing else."""

    @override
    def find_class(self, module: str, name: str) -> Any:
        if (module, name) == ("builtins", "getattr"):
            return memory_format
        if name not in CATALOGUE_TYPES.get(module, ()):
            raise pickle.UnpicklingError(f"{module}.{name} does not belong into a catalogue")
        return super().find_class(module.removesuffix("._local"), name)


def memory_format(enumeration: Any, name: Any) -> Any:
    """What getattr does in a catalogue: Python 3.11.2, say, pickles an Enum's members by it."""
    if enumeration is _MEM_FORMAT_ENCODING and name in MEMORY_FORMATS:
        return MEMORY_FORMATS[name]
    raise pickle.UnpicklingError("getattr of anything else does not belong into a catalogue")


class CatalogueReader(dcp.FileSystemReader):
    """torch's reader, with a catalogue that was read already."""

    def __init__(self, catalogue: CatalogueOfTorch) -> None:
        super().__init__(catalogue.folder)
        self.metadata = catalogue.metadata

    @override
    def read_metadata(self) -> Metadata:
        return self.metadata


class PartReader(DefaultLoadPlanner):
    """Plans what a worker reads."""

    def __init__(self, parts: dict[str, Part]) -> None:
        super().__init__(flatten_state_dict=False, flatten_sharded_tensors=False)
        self.parts = parts

    @override
    def create_local_plan(self) -> LoadPlan:
        assert self.metadata is not None
        items = []
        for name, part in self.parts.items():
            stored = self.metadata.state_dict_metadata[name]
            assert isinstance(stored, TensorStorageMetadata)  # a catalogue knows nothing else
            items += create_read_items_for_chunk_list(name, stored, [chunk(part)])
        return LoadPlan(items)

    @override
    def lookup_tensor(self, index: MetadataIndex) -> Tensor:
        return self.parts[index.fqn].rows
