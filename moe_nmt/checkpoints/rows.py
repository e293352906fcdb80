"""Rows of tensors in a file, each with a checksum.

The format is `safetensors <https://huggingface.co/docs/safetensors>`_: the length of a header, the
header in JSON, and the values.  Its package reads it, a few rows of many if need be.  It is written
here, a row at a time: the package would hold all that comes from a GPU in host memory at once, and
makes no OSError of a full disk.
"""

from __future__ import annotations

import json
import os
import struct
import zlib
from dataclasses import dataclass
from pathlib import Path

import torch
from safetensors import SafetensorError, safe_open
from torch import Tensor

from moe_nmt.distributed import Part

DTYPES = {  # by the format's names
    **{"F64": torch.float64, "F32": torch.float32, "F16": torch.float16, "BF16": torch.bfloat16},
    **{"I64": torch.int64, "I32": torch.int32, "I16": torch.int16, "I8": torch.int8},
    **{"U8": torch.uint8, "BOOL": torch.bool},
}
NAMES = {dtype: name for name, dtype in DTYPES.items()}


class DamagedError(Exception):
    """A folder lacks something, or holds something else."""


@dataclass(frozen=True)
class Rows:
    """Which rows of a tensor a file has: those from ``start`` on."""

    start: int
    checksums: list[int]  # CRC-32 of the bytes of each

    def common(self, part: Part) -> range:
        """Those that a part has too."""
        stop = self.start + len(self.checksums)
        return range(max(self.start, part.start), min(stop, part.start + part.rows.size(0)))


@dataclass(frozen=True)
class File:
    """What is in a file."""

    size: int  # bytes
    rows: dict[str, Rows]  # by the tensors' names


def write_rows(path: Path, parts: dict[str, Part]) -> File:
    """Writes a file, which is on the disk when this returns.

    Raises:
        OSError: it cannot be written.
    """
    # The large types first, so that all values are aligned.
    names = sorted(parts, key=lambda name: -parts[name].rows.element_size())
    tensors = {name: parts[name].rows for name in names if parts[name].rows.size(0)}
    with path.open("wb") as file:
        file.write(header(tensors))
        written = {}
        for name, tensor in tensors.items():
            checksums = []
            for row in tensor:
                content = bytes_of(row)
                file.write(content)
                checksums.append(zlib.crc32(content))
            written[name] = Rows(parts[name].start, checksums)
        file.flush()
        os.fsync(file.fileno())
        return File(file.tell(), written)


def header(tensors: dict[str, Tensor]) -> bytes:
    """The beginning of a file of these tensors, one after the other."""
    entries, end = {}, 0
    for name, tensor in tensors.items():
        start, end = end, end + tensor.nbytes
        entries[name] = {
            "dtype": NAMES[tensor.dtype],
            "shape": list(tensor.shape),
            "data_offsets": [start, end],
        }
    text = json.dumps(entries).encode()
    text += b" " * (-len(text) % 8)
    return struct.pack("<Q", len(text)) + text


def bytes_of(row: Tensor) -> memoryview:
    """The values of a tensor, not copied where they are one after the other in host memory."""
    values = row.detach().cpu().contiguous()
    # flatten() would keep the stride of a single value, which may be any.
    return values.as_strided((values.numel(),), (1,)).view(torch.uint8).numpy().data


def read_rows(
    path: Path, stored: dict[str, Rows], wholes: dict[str, Tensor], parts: dict[str, Part]
) -> None:
    """Fills those rows of parts that a file has; others are not read.

    Args:
        path: the file.
        stored: what is in it.
        wholes: every tensor's dtype and shape.
        parts: of these tensors; their own dtypes may be others.

    Raises:
        DamagedError: it holds something else.
    """
    try:
        for name, here in stored.items():
            part = parts.get(name)
            if part is None or not (common := here.common(part)):
                continue
            first, last = common.start - here.start, common.stop - here.start
            # Opened for each tensor: what was mapped of a file counts as memory until it is closed.
            with safe_open(path, framework="pt") as file:
                rows = file.get_slice(name)[first:last]
                check(path, name, rows, wholes[name], here.checksums[first:last])
                part.rows[common.start - part.start :][: len(common)].copy_(rows)
    except (OSError, SafetensorError) as error:
        reason = str(error).partition("\n")[0]
        raise DamagedError(f"{path} cannot be read: {reason}") from error


def check(path: Path, name: str, rows: Tensor, whole: Tensor, checksums: list[int]) -> None:
    """Stops unless rows that were read are what was written."""
    if (
        rows.dtype != whole.dtype
        or rows.shape != (len(checksums), *whole.shape[1:])
        or [zlib.crc32(bytes_of(row)) for row in rows] != checksums
    ):
        raise DamagedError(f"{path} holds something else as {name} than was written")
