"""Folders of tensors as versions before this one wrote them: read, or refused."""

from __future__ import annotations

import io
import pathlib
import pickle
import shutil
import sys
from collections.abc import Callable
from enum import Enum
from pathlib import Path
from typing import Any

import pytest
import torch
import torch.distributed.checkpoint as dcp
from torch import Tensor
from torch.distributed.checkpoint.metadata import (
    _MEM_FORMAT_ENCODING,
    BytesStorageMetadata,
    Metadata,
)

from moe_nmt.checkpoints.parts_of_torch import CATALOGUE, CatalogueOfTorch
from moe_nmt.checkpoints.rows import DamagedError
from moe_nmt.distributed import Part

# Written by two workers.
STORED = Path(__file__).parent / "stored" / "shards" / "experts-300-006bec23"
EXPERTS = 4
WEIGHT = "model.decoder.stack.mixtures.1.mixture.experts.w_in"

pytestmark = pytest.mark.filterwarnings("ignore:torch.distributed is disabled:UserWarning")


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A copy to be spoiled."""
    return shutil.copytree(STORED, tmp_path / "folder")


@pytest.fixture(scope="module")
def wholes() -> dict[str, Tensor]:
    """What torch reads there, by its own means."""
    state = {
        name: torch.zeros(stored.size, dtype=stored.properties.dtype)
        for name, stored in dcp.FileSystemReader(STORED).read_metadata().state_dict_metadata.items()
    }
    dcp.load(state, checkpoint_id=STORED, no_dist=True)
    assert all(whole.any() for whole in state.values())
    return state


def assert_all_rows_are_there(folder: Path, wholes: dict[str, Tensor]) -> None:
    """Reads some rows and all."""
    catalogue = CatalogueOfTorch(folder)
    assert {name: (w.shape, w.dtype) for name, w in catalogue.wholes.items()} == {
        name: (w.shape, w.dtype) for name, w in wholes.items()
    }
    for start, stop in [(0, EXPERTS), (0, 1), (1, 3), (3, 4), (2, 2)]:
        parts = {
            name: Part(torch.full_like(whole[start:stop], -1), start, EXPERTS)
            for name, whole in wholes.items()
        }
        catalogue.read(parts)
        for name, whole in wholes.items():
            assert torch.equal(parts[name].rows, whole[start:stop])


def test_any_rows_are_read(wholes: dict[str, Tensor]) -> None:
    assert len(wholes) == 6 + 12  # of three mixtures; each weight with two moments
    assert wholes[WEIGHT].shape == (EXPERTS, 8, 6)
    assert_all_rows_are_there(STORED, wholes)


def test_rows_are_read_into_another_type(wholes: dict[str, Tensor]) -> None:
    rows = torch.empty(2, 8, 6, dtype=torch.float64)
    CatalogueOfTorch(STORED).read({WEIGHT: Part(rows, 1, EXPERTS)})
    assert torch.equal(rows, wholes[WEIGHT][1:3].double())


def cut(file: Path) -> None:
    file.write_bytes(file.read_bytes()[:-1])


def overwrite(file: Path) -> None:
    file.write_bytes(b"x" * file.stat().st_size)


@pytest.mark.parametrize(
    ("damage", "sentence"),
    [
        (lambda folder: (folder / CATALOGUE).unlink(), r"\.metadata: No such file"),
        (lambda folder: cut(folder / CATALOGUE), r"\.metadata is no catalogue"),
        (lambda folder: overwrite(folder / CATALOGUE), r"\.metadata is no catalogue"),
        (
            lambda folder: (folder / CATALOGUE).write_bytes(pickle.dumps(torch.Size([1]))),
            r"\.metadata is no catalogue",
        ),
        (lambda folder: (folder / "__1_0.distcp").unlink(), r"__1_0\.distcp is missing"),
        (
            lambda folder: cut(folder / "__0_0.distcp"),
            r"__0_0\.distcp has \d+ bytes instead of \d+",
        ),
        (lambda folder: overwrite(folder / "__0_0.distcp"), r"folder cannot be read: "),
    ],
)
def test_damage_is_told(folder: Path, damage: Callable[[Path], None], sentence: str) -> None:
    damage(folder)
    with pytest.raises(DamagedError, match=sentence):
        CatalogueOfTorch(folder).read({WEIGHT: Part(torch.empty(EXPERTS, 8, 6), 0, EXPERTS)})


def test_a_catalogue_names_no_file_elsewhere(folder: Path) -> None:
    name, path = b"__0_0.distcp", b"../elsewhere"
    (folder / name.decode()).rename(folder.with_name("elsewhere"))
    content = (folder / CATALOGUE).read_bytes()
    assert name in content
    assert len(path) == len(name)
    (folder / CATALOGUE).write_bytes(content.replace(name, path))
    with pytest.raises(DamagedError, match="is missing"):
        CatalogueOfTorch(folder)


class Python3112(pickle.Pickler):
    """Pickles members of an Enum as Python 3.11.2 does."""

    def reducer_override(self, value: Any) -> Any:
        if isinstance(value, Enum):
            return getattr, (type(value), value.name)
        return NotImplemented


def test_a_catalogue_of_python_3_11_2_is_read(folder: Path, wholes: dict[str, Tensor]) -> None:
    content = io.BytesIO()
    Python3112(content).dump(CatalogueOfTorch(STORED).metadata)
    assert b"getattr" in content.getvalue()
    (folder / CATALOGUE).write_bytes(content.getvalue())
    assert_all_rows_are_there(folder, wholes)


def test_a_catalogue_of_python_3_13_is_read(
    folder: Path, wholes: dict[str, Tensor], monkeypatch: pytest.MonkeyPatch
) -> None:
    with monkeypatch.context() as patch:
        patch.setitem(sys.modules, "pathlib._local", pathlib)
        patch.setattr(pathlib.PosixPath, "__module__", "pathlib._local")
        content = pickle.dumps(CatalogueOfTorch(STORED).metadata)
    assert b"pathlib._local" in content
    (folder / CATALOGUE).write_bytes(content)
    assert_all_rows_are_there(folder, wholes)


class Calls:
    """Pickled, it calls something when it is read."""

    def __init__(self, function: Any, *arguments: Any) -> None:
        self.function = function
        self.arguments = arguments

    def __reduce__(self) -> tuple[Any, ...]:
        return self.function, self.arguments

    def __call__(self) -> None:
        """What pickle asks of a function."""


def assert_refused(folder: Path, pickled: object) -> None:
    (folder / CATALOGUE).write_bytes(pickle.dumps(pickled))
    with pytest.raises(DamagedError, match="no catalogue") as refused:
        CatalogueOfTorch(folder)
    assert isinstance(refused.value.__cause__, pickle.UnpicklingError)


@pytest.mark.parametrize(
    "runs",
    [
        lambda file: Calls(Path.write_text, file, "code ran"),
        lambda file: Calls(Calls(getattr, file, "touch")),
        lambda file: Calls(Calls(getattr, type(file), "touch"), file),
    ],
)
def test_a_catalogue_runs_no_code(
    folder: Path, tmp_path: Path, runs: Callable[[Path], object]
) -> None:
    file = tmp_path / "ran"
    assert_refused(folder, runs(file))
    assert not file.exists()
    pickle.loads((folder / CATALOGUE).read_bytes())
    assert file.exists()  # it would have run


@pytest.mark.parametrize(
    ("owner", "name"),
    [
        (_MEM_FORMAT_ENCODING, "__class__"),
        (_MEM_FORMAT_ENCODING, "__members__"),
        (_MEM_FORMAT_ENCODING, "mro"),
        (_MEM_FORMAT_ENCODING, Path("TORCH_CONTIGUOUS_FORMAT")),
        (_MEM_FORMAT_ENCODING.TORCH_CONTIGUOUS_FORMAT, "name"),
        (Metadata, "__init__"),
        (torch.Size, "TORCH_CONTIGUOUS_FORMAT"),
        (torch.Size(), "__class__"),
    ],
)
def test_getattr_reads_members_of_the_enumeration_alone(
    folder: Path, owner: object, name: object
) -> None:
    assert_refused(folder, Calls(getattr, owner, name))


def test_a_catalogue_holds_no_bytes_that_torch_would_unpickle(folder: Path) -> None:
    assert_refused(folder, Metadata({"weight": BytesStorageMetadata()}, storage_data={}))
