"""Tensors in a folder, of which each worker writes and reads its own rows.

A worker writes one file; a catalogue in JSON says which rows are in which, so that any number of
workers reads what another number wrote.
"""

from __future__ import annotations

import json
import os
from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path
from typing import Any, TypeVar

import torch
import torch.distributed as dist
from torch import Tensor

from moe_nmt.checkpoints.rows import DTYPES, NAMES, DamagedError, File, Rows, read_rows, write_rows
from moe_nmt.distributed import ExpertParallel, Part, is_one_of_many

CATALOGUE = "catalogue.json"

T = TypeVar("T")


def write_parts(folder: Path, parts: dict[str, Part]) -> None:
    """Writes tensors into a new folder; all workers call it, each with its own rows.

    What several workers have is written once.  The catalogue is written last, when all else is on
    the disk: without it the folder holds nothing.  When this returns, it does so on all workers.

    Raises:
        OSError: on all workers, what failed on any.
    """
    rank = dist.get_rank() if is_one_of_many() else 0
    wholes: dict[str, Any] = {}
    for theirs in of_all({name: described(part) for name, part in parts.items()}):
        wholes |= theirs
    share = own_share(parts, rank)

    def write_file() -> File:
        folder.mkdir(parents=True, exist_ok=True)
        return write_rows(folder / file_name(rank), share)

    files = results_of_all(write_file)
    results_of_all(lambda: write_catalogue(folder, wholes, files) if rank == 0 else None)


def file_name(rank: int) -> str:
    """What a worker's file is called."""
    return f"worker{rank}.safetensors"


def described(part: Part) -> dict[str, Any]:
    """A whole tensor, as the catalogue has it."""
    return {
        "dtype": NAMES[part.rows.dtype],
        "shape": [part.total, *part.rows.shape[1:]],
    }


def own_share(parts: dict[str, Part], rank: int) -> dict[str, Part]:
    """The rows that this worker writes; those that several have are divided among them."""
    bounds = {name: (part.start, part.start + part.rows.size(0)) for name, part in parts.items()}
    everywhere = of_all(bounds)
    share = {}
    for number, name in enumerate(sorted(set().union(*everywhere))):
        if name not in parts:
            continue
        part = parts[name]
        holders = [
            worker for worker, held in enumerate(everywhere) if held.get(name) == bounds[name]
        ]
        # By turns, because the last ones get more rows where these cannot be divided evenly.
        place = (holders.index(rank) + number) % len(holders)
        start, stop = ExpertParallel.bounds(part.rows.size(0), len(holders))[place : place + 2]
        share[name] = Part(part.rows[start:stop], part.start + start, part.total)
    return share


def of_all(value: T) -> list[T]:
    """Every worker's value, in their order; all workers call it."""
    if not is_one_of_many():
        return [value]
    values: list[Any] = [None] * dist.get_world_size()
    dist.all_gather_object(values, value)
    return values


def results_of_all(action: Callable[[], T]) -> list[T]:
    """Does something on every worker, and waits until all have done it: their results.

    Raises:
        OSError: on all workers, what failed on any.
    """
    try:
        outcome: T | OSError = action()
    except OSError as error:
        outcome = error
    results = []
    for worker, result in enumerate(of_all(outcome)):
        if isinstance(result, OSError):
            raise OSError(f"worker {worker}: {result}") from result
        results.append(result)
    return results


def write_catalogue(folder: Path, wholes: dict[str, Any], files: list[File]) -> None:
    """Writes what tensors there are, and what is in each worker's file."""
    by_name = {file_name(rank): asdict(file) for rank, file in enumerate(files)}
    temporary = folder / f"{CATALOGUE}.part"
    with temporary.open("w", encoding="utf-8") as file:
        json.dump({"tensors": wholes, "files": by_name}, file)
        file.flush()
        os.fsync(file.fileno())
    temporary.rename(folder / CATALOGUE)


class Catalogue:
    """What tensors a folder holds, and where.

    Attributes:
        wholes: the tensors by name, without their values.

    Raises:
        DamagedError: the folder is not whole.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        try:
            content = json.loads((folder / CATALOGUE).read_bytes())
            self.wholes: dict[str, Tensor] = {
                name: torch.empty([*tensor["shape"]], dtype=DTYPES[tensor["dtype"]], device="meta")
                for name, tensor in content["tensors"].items()
            }
            self.files = {name: file_of(entry) for name, entry in content["files"].items()}
            self.check_rows()
        except OSError as error:
            raise DamagedError(f"{folder / CATALOGUE}: {error.strerror}") from error
        except Exception as error:  # JSON of other things may raise anything
            raise DamagedError(f"{folder / CATALOGUE} is no catalogue of tensors") from error
        self.check_files()

    def check_rows(self) -> None:
        """Stops unless every row is in some file."""
        for name, whole in self.wholes.items():
            stored = [file.rows[name] for file in self.files.values() if name in file.rows]
            end = 0
            for rows in sorted(stored, key=lambda rows: rows.start):
                if rows.start > end:
                    break
                end = max(end, rows.start + len(rows.checksums))
            if end != whole.size(0):
                raise ValueError(f"rows of {name} are in no file, or there are too many")

    def check_files(self) -> None:
        """Stops where a file is missing or cut off."""
        for name, stored in self.files.items():
            file = self.folder / name
            if Path(name).name != name or not file.is_file():
                raise DamagedError(f"{file} is missing")
            if file.stat().st_size != stored.size:
                raise DamagedError(
                    f"{file} has {file.stat().st_size} bytes instead of {stored.size}"
                )

    def read(self, parts: dict[str, Part]) -> None:
        """Fills rows with their values; each worker may read other ones, with no need of others.

        Raises:
            DamagedError: a file holds something else.
        """
        for name, stored in self.files.items():
            read_rows(self.folder / name, stored.rows, self.wholes, parts)


def file_of(entry: dict[str, Any]) -> File:
    """What a catalogue says of a file."""
    rows = {
        name: Rows(int(stored["start"]), [int(checksum) for checksum in stored["checksums"]])
        for name, stored in entry["rows"].items()
    }
    return File(int(entry["size"]), rows)
