"""What is changed in fairseq while a command of ours runs."""

import shutil
from pathlib import Path

import fairseq.file_io
import pytest

from moe_nmt.training.hooks import in_place

PathManager = fairseq.file_io.PathManager


def test_a_copy_replaces_the_old_one(tmp_path: Path) -> None:
    new, last = tmp_path / "checkpoint2.pt", tmp_path / "checkpoint_last.pt"
    new.write_text("new")
    last.write_text("old")
    with in_place():
        assert PathManager.copy(str(new), str(last), overwrite=True)
    assert last.read_text() == "new"
    assert sorted(path.name for path in tmp_path.iterdir()) == [new.name, last.name]


def test_an_interrupted_copy_leaves_the_old_one(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def interrupted(source: str, destination: str) -> None:
        Path(destination).write_text("ne")
        raise KeyboardInterrupt

    monkeypatch.setattr(shutil, "copyfile", interrupted)
    last = tmp_path / "checkpoint_last.pt"
    last.write_text("old")
    with pytest.raises(KeyboardInterrupt), in_place():
        PathManager.copy("checkpoint2.pt", str(last), overwrite=True)
    assert last.read_text() == "old"
