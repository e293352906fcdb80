"""Folders of tensors: written by some workers, read by others, and by nobody when they are bad."""

from __future__ import annotations

import pickle
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
import torch.distributed.checkpoint as dcp
from torch import Tensor
from torch.distributed.checkpoint.metadata import BytesStorageMetadata, Metadata
from worker_pool import WorkerPool

from moe_nmt.checkpoints.parts import CATALOGUE, Catalogue, DamagedError, write_parts
from moe_nmt.distributed import ExpertParallel, Part, Workers

EXPERTS = 7


def wholes() -> dict[str, Tensor]:
    """Tensors by expert: [7, 3, 4], [7] and, in half the precision, [7, 2]."""
    return {
        "weight": torch.arange(EXPERTS * 12, dtype=torch.float32).view(EXPERTS, 3, 4),
        "optimizer.3.count": torch.arange(EXPERTS, dtype=torch.float64),
        "half": torch.arange(EXPERTS * 2).view(EXPERTS, 2).bfloat16(),
    }


def write_own(rank: int, folder: Path, size: int, indivisible: int) -> None:
    """Writes a worker's experts' rows."""
    shard = ExpertParallel(size).shard(EXPERTS, indivisible)
    own = {name: Part.of_experts(whole[shard.here], shard) for name, whole in wholes().items()}
    write_parts(folder, own)


def empty(start: int, stop: int) -> dict[str, Part]:
    """Rows to be filled."""
    return {
        name: Part(torch.full_like(whole[start:stop], -1), start, EXPERTS)
        for name, whole in wholes().items()
    }


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Written by one worker."""
    shard = Workers().shard(EXPERTS)
    write_parts(
        tmp_path / "folder",
        {name: Part.of_experts(whole, shard) for name, whole in wholes().items()},
    )
    return tmp_path / "folder"


@pytest.mark.distributed
@pytest.mark.parametrize(
    ("world", "size", "indivisible"), [(2, 2, 1), (2, 1, 1), (4, 4, 1), (4, 2, 1), (2, 1, 7)]
)
def test_any_rows_are_read_whoever_wrote_them(
    pool: Callable[[int], WorkerPool], tmp_path: Path, world: int, size: int, indivisible: int
) -> None:
    pool(world).run(write_own, tmp_path, size, indivisible)
    stored = sum(path.stat().st_size for path in tmp_path.glob("*.distcp"))
    once = sum(whole.nbytes for whole in wholes().values())
    assert stored < once + 2000 * 3 * size  # torch's headers; replicas are written once
    catalogue = Catalogue(tmp_path)
    assert {name: (w.shape, w.dtype) for name, w in catalogue.wholes.items()} == {
        name: (w.shape, w.dtype) for name, w in wholes().items()
    }
    for start, stop in [(0, EXPERTS), (0, 1), (2, 5), (6, 7)]:
        parts = empty(start, stop)
        catalogue.read(parts)
        for name, whole in wholes().items():
            torch.testing.assert_close(parts[name].rows, whole[start:stop], rtol=0, atol=0)


def test_rows_are_read_into_another_type(folder: Path) -> None:
    rows = torch.empty(2, 2)
    Catalogue(folder).read({"half": Part(rows, 3, EXPERTS)})
    assert rows.tolist() == [[6, 7], [8, 9]]


def test_torch_reads_the_folder_too(folder: Path) -> None:
    state = {"weight": torch.zeros(EXPERTS, 3, 4)}
    dcp.load(state, checkpoint_id=folder, no_dist=True)
    assert torch.equal(state["weight"], wholes()["weight"])


def data_file(folder: Path) -> Path:
    (file,) = folder.glob("*.distcp")
    return file


def cut(file: Path) -> None:
    file.write_bytes(file.read_bytes()[:-1])


def overwrite(file: Path) -> None:
    file.write_bytes(b"x" * file.stat().st_size)


@pytest.mark.parametrize(
    ("damage", "sentence"),
    [
        (lambda folder: shutil.rmtree(folder), r"\.metadata: No such file"),
        (lambda folder: (folder / CATALOGUE).unlink(), r"\.metadata: No such file"),
        (lambda folder: cut(folder / CATALOGUE), r"\.metadata is no catalogue"),
        (lambda folder: overwrite(folder / CATALOGUE), r"\.metadata is no catalogue"),
        (lambda folder: data_file(folder).unlink(), r"__0_0\.distcp is missing"),
        (lambda folder: cut(data_file(folder)), r"__0_0\.distcp has \d+ bytes instead of \d+"),
        (lambda folder: overwrite(data_file(folder)), r"folder cannot be read: "),
    ],
)
def test_damage_is_told(folder: Path, damage: Callable[[Path], None], sentence: str) -> None:
    damage(folder)
    with pytest.raises(DamagedError, match=sentence):
        Catalogue(folder).read(empty(0, EXPERTS))


class Runs:
    """Pickled, it writes a file when it is read."""

    def __init__(self, file: Path) -> None:
        self.file = file

    def __reduce__(self) -> tuple[Any, ...]:
        return Path.write_text, (self.file, "code ran")


def test_a_catalogue_runs_no_code(folder: Path, tmp_path: Path) -> None:
    file = tmp_path / "ran"
    (folder / CATALOGUE).write_bytes(pickle.dumps(Runs(file)))
    with pytest.raises(DamagedError, match="no catalogue"):
        Catalogue(folder)
    assert not file.exists()
    (folder / CATALOGUE).write_bytes(pickle.dumps(Runs(file)))
    with (folder / CATALOGUE).open("rb") as catalogue:
        pickle.load(catalogue)
    assert file.exists()  # it would have run


def test_a_catalogue_holds_no_bytes_that_torch_would_unpickle(folder: Path) -> None:
    metadata = Metadata({"weight": BytesStorageMetadata()}, storage_data={})
    (folder / CATALOGUE).write_bytes(pickle.dumps(metadata))
    with pytest.raises(DamagedError, match="no catalogue"):
        Catalogue(folder)


def test_a_catalogue_names_no_file_elsewhere(folder: Path) -> None:
    elsewhere = folder.with_name("elsewhere")
    data_file(folder).rename(elsewhere)
    content = (folder / CATALOGUE).read_bytes()
    name = b"__0_0.distcp"
    assert name in content
    path = b"../elsewhere"
    assert len(path) == len(name)
    (folder / CATALOGUE).write_bytes(content.replace(name, path))
    with pytest.raises(DamagedError, match="is missing"):
        Catalogue(folder)


def write_but_one_cannot(rank: int, folder: Path) -> str:
    """One worker's file cannot be written; what each is told."""
    if rank == 1:
        (folder / "__1_0.distcp").mkdir(parents=True)
    try:
        write_own(rank, folder, 2, 1)
    except OSError as error:
        return str(error)
    return "written"


@pytest.mark.distributed
def test_what_one_worker_cannot_write_all_are_told(
    pool: Callable[[int], WorkerPool], tmp_path: Path
) -> None:
    answers = pool(2).run(write_but_one_cannot, tmp_path / "folder")
    assert answers[0] == answers[1]
    assert answers[0].startswith("worker 1: [Errno 21] Is a directory")
    assert not (tmp_path / "folder" / CATALOGUE).exists()
