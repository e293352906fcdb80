"""Folders of tensors: written by some workers, read by others, and by nobody when they are bad."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file
from torch import Tensor
from worker_pool import WorkerPool

from moe_nmt.checkpoints.parts import CATALOGUE, Catalogue, write_parts
from moe_nmt.checkpoints.rows import DTYPES, DamagedError
from moe_nmt.distributed import ExpertParallel, Part, Workers

EXPERTS = 7
Pool = Callable[[int], WorkerPool]


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


def assert_all_rows_are_there(folder: Path) -> None:
    """Reads some rows and all."""
    catalogue = Catalogue(folder)
    assert {name: (w.shape, w.dtype) for name, w in catalogue.wholes.items()} == {
        name: (w.shape, w.dtype) for name, w in wholes().items()
    }
    for start, stop in [(0, EXPERTS), (0, 1), (2, 5), (6, 7)]:
        parts = empty(start, stop)
        catalogue.read(parts)
        for name, whole in wholes().items():
            torch.testing.assert_close(parts[name].rows, whole[start:stop], rtol=0, atol=0)


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
    pool: Pool, tmp_path: Path, world: int, size: int, indivisible: int
) -> None:
    pool(world).run(write_own, tmp_path, size, indivisible)
    assert_all_rows_are_there(tmp_path)
    stored: dict[str, list[int]] = {name: [] for name in wholes()}  # rows in each worker's file
    for rank in range(world):
        file = load_file(tmp_path / f"worker{rank}.safetensors")
        for name, rows in stored.items():
            rows.append(len(file.get(name, ())))
    for rows in stored.values():
        assert sum(rows) == EXPERTS  # replicas are written once
        assert max(rows) - min(rows) <= 1  # and by turns
    if size == 1:
        assert len(set(map(tuple, stored.values()))) > 1  # the longer turn is not always the last's


def write_the_first_worker_having_none(rank: int, folder: Path, absent: bool) -> None:
    """All rows are another worker's."""
    start, stop = (0, 0) if rank == 0 else (0, EXPERTS)
    parts = {name: Part(whole[start:stop], start, EXPERTS) for name, whole in wholes().items()}
    if rank == 0 and absent:
        parts = {}
    write_parts(folder, parts)


@pytest.mark.distributed
@pytest.mark.parametrize("absent", [False, True])
def test_a_worker_may_have_no_rows(pool: Pool, tmp_path: Path, absent: bool) -> None:
    pool(2).run(write_the_first_worker_having_none, tmp_path, absent)
    assert_all_rows_are_there(tmp_path)
    nothing = empty(3, 3)
    Catalogue(tmp_path).read(nothing)
    assert nothing["weight"].rows.shape == (0, 3, 4)


def test_rows_are_read_into_another_type(folder: Path) -> None:
    rows = torch.empty(2, 2)
    Catalogue(folder).read({"half": Part(rows, 3, EXPERTS)})
    assert rows.tolist() == [[6, 7], [8, 9]]


@pytest.mark.parametrize("dtype", DTYPES.values())
def test_every_type_is_stored_as_it_is(tmp_path: Path, dtype: torch.dtype) -> None:
    whole = torch.tensor([[0, 1], [1, 0], [2, 3]]).to(dtype)
    write_parts(tmp_path, {"x": Part(whole, 0, 3)})
    found = torch.zeros_like(whole)
    Catalogue(tmp_path).read({"x": Part(found, 0, 3)})
    assert torch.equal(found, whole)


def test_views_are_written_as_what_they_show(tmp_path: Path) -> None:
    whole = torch.arange(24.0, requires_grad=True).view(4, 3, 2).transpose(0, 2)  # [2, 3, 4]
    parts = {
        "all": Part(whole, 0, 2),
        "some": Part(whole[:, 0], 0, 2),
        "single": Part(whole[:, 1:2, 0], 0, 2),
        "flat": Part(whole[:, 2, 3], 0, 2),
        "none": Part(whole[:, 0, :0], 0, 2),
    }
    write_parts(tmp_path, parts)
    found = {name: Part(torch.zeros(part.rows.shape), 0, 2) for name, part in parts.items()}
    Catalogue(tmp_path).read(found)
    for name, part in parts.items():
        assert torch.equal(found[name].rows, part.rows)


def test_safetensors_reads_the_files_too(folder: Path) -> None:
    assert sorted(path.name for path in folder.iterdir()) == [CATALOGUE, "worker0.safetensors"]
    state = load_file(data_file(folder))
    assert state.keys() == wholes().keys()
    for name, whole in wholes().items():
        assert torch.equal(state[name], whole)


def data_file(folder: Path) -> Path:
    (file,) = folder.glob("*.safetensors")
    return file


def cut(file: Path) -> None:
    file.write_bytes(file.read_bytes()[:-1])


def overwrite(file: Path) -> None:
    file.write_bytes(b"x" * file.stat().st_size)


def replace(file: Path, old: bytes, new: bytes) -> None:
    """Changes a file, but not its size."""
    content = file.read_bytes()
    assert content.count(old) == 1
    assert len(old) == len(new)
    file.write_bytes(content.replace(old, new))


def flip_the_last_byte(file: Path) -> None:
    content = bytearray(file.read_bytes())
    content[-1] ^= 1
    file.write_bytes(content)


@pytest.mark.parametrize(
    ("damage", "sentence"),
    [
        (lambda folder: shutil.rmtree(folder), r"catalogue\.json: No such file"),
        (lambda folder: (folder / CATALOGUE).unlink(), r"catalogue\.json: No such file"),
        (lambda folder: cut(folder / CATALOGUE), r"catalogue\.json is no catalogue"),
        (lambda folder: overwrite(folder / CATALOGUE), r"catalogue\.json is no catalogue"),
        (lambda folder: data_file(folder).unlink(), r"worker0\.safetensors is missing"),
        (
            lambda folder: cut(data_file(folder)),
            r"worker0\.safetensors has \d+ bytes instead of \d+",
        ),
        (
            lambda folder: overwrite(data_file(folder)),
            r"worker0\.safetensors cannot be read: Error while deserializing header",
        ),
        (
            lambda folder: flip_the_last_byte(data_file(folder)),
            r"worker0\.safetensors holds something else as half than was written",
        ),
        (
            lambda folder: replace(data_file(folder), b'"F64"', b'"I64"'),
            r"worker0\.safetensors holds something else as optimizer\.3\.count than was written",
        ),
        (
            lambda folder: replace(data_file(folder), b"[7, 3, 4]", b"[7, 4, 3]"),
            r"worker0\.safetensors holds something else as weight than was written",
        ),
        (
            lambda folder: replace(data_file(folder), b'"half"', b'"hale"'),
            r"worker0\.safetensors cannot be read: .*half",
        ),
    ],
)
def test_damage_is_told(folder: Path, damage: Callable[[Path], None], sentence: str) -> None:
    damage(folder)
    with pytest.raises(DamagedError, match=sentence):
        Catalogue(folder).read(empty(0, EXPERTS))


def test_only_what_is_read_is_checked(folder: Path) -> None:
    flip_the_last_byte(data_file(folder))
    Catalogue(folder).read(empty(0, EXPERTS - 1))
    with pytest.raises(DamagedError):
        Catalogue(folder).read(empty(EXPERTS - 1, EXPERTS))


def without(*path: str) -> Callable[[Any], Any]:
    """Leaves something out of a catalogue."""

    def change(content: Any) -> Any:
        *outer, last = path
        place = content
        for name in outer:
            place = place[name]
        del place[last]
        return content

    return change


def rewritten(*path: str, value: Any) -> Callable[[Any], Any]:
    """Puts something else into a catalogue."""

    def change(content: Any) -> Any:
        *outer, last = path
        place = content
        for name in outer:
            place = place[name]
        place[last] = value
        return content

    return change


WEIGHT = ("files", "worker0.safetensors", "rows", "weight")


@pytest.mark.parametrize(
    "change",
    [
        lambda content: [],
        lambda content: {},
        lambda content: "tensors",
        lambda content: {"tensors": [], "files": []},
        lambda content: {"tensors": content["tensors"], "files": {}},
        without("tensors"),
        without("tensors", "weight", "shape"),
        without("files", "worker0.safetensors", "size"),
        without(*WEIGHT),
        without(*WEIGHT, "checksums"),
        rewritten("tensors", "weight", "dtype", value="pickle"),
        rewritten("tensors", "weight", "dtype", value=["F32"]),
        rewritten("tensors", "weight", "shape", value=7),
        rewritten("tensors", "weight", "shape", value=[]),
        rewritten("tensors", "weight", "shape", value=[-7, 3, 4]),
        rewritten("tensors", "weight", "shape", value=[8, 3, 4]),
        rewritten("tensors", "weight", "shape", value=["7", 3, 4]),
        rewritten(*WEIGHT, "start", value=1),
        rewritten(*WEIGHT, "start", value=None),
        rewritten(*WEIGHT, "checksums", value=[0]),
        rewritten(*WEIGHT, "checksums", value=[0] * 8),
        rewritten(*WEIGHT, "checksums", value=7),
        rewritten(*WEIGHT, "checksums", value=[None] * 7),
        rewritten("files", "worker0.safetensors", value=None),
    ],
)
def test_json_of_something_else_is_no_catalogue(folder: Path, change: Callable[[Any], Any]) -> None:
    content = json.loads((folder / CATALOGUE).read_text())
    (folder / CATALOGUE).write_text(json.dumps(change(content)))
    with pytest.raises(DamagedError, match=r"catalogue\.json is no catalogue of tensors"):
        Catalogue(folder)


def test_a_catalogue_names_no_file_elsewhere(folder: Path) -> None:
    elsewhere = folder.with_name("elsewhere")
    data_file(folder).rename(elsewhere)
    content = json.loads((folder / CATALOGUE).read_text())
    for name in ("../elsewhere", str(elsewhere)):
        files = {name: content["files"]["worker0.safetensors"]}
        (folder / CATALOGUE).write_text(json.dumps(content | {"files": files}))
        with pytest.raises(DamagedError, match="is missing"):
            Catalogue(folder)


def test_a_full_disk_is_told(tmp_path: Path) -> None:
    (tmp_path / "worker0.safetensors").symlink_to("/dev/full")
    with pytest.raises(OSError, match=r"worker 0: .*No space left on device"):
        write_parts(tmp_path, empty(0, EXPERTS))
    assert not (tmp_path / CATALOGUE).exists()


def write_but_one_cannot(rank: int, folder: Path, at: int, name: str) -> str:
    """Something that one worker writes cannot be written; what each is told."""
    if rank == at:
        (folder / name / "in the way").mkdir(parents=True)
    try:
        write_own(rank, folder, 2, 1)
    except OSError as error:
        return str(error)
    return "written"


@pytest.mark.distributed
@pytest.mark.parametrize(("at", "name"), [(1, "worker1.safetensors"), (0, CATALOGUE)])
def test_what_one_worker_cannot_write_all_are_told(
    pool: Pool, tmp_path: Path, at: int, name: str
) -> None:
    answers = pool(2).run(write_but_one_cannot, tmp_path / "folder", at, name)
    assert answers[0] == answers[1]
    assert answers[0].startswith(f"worker {at}: [Errno 21] Is a directory")
    assert not (tmp_path / "folder" / CATALOGUE).is_file()
