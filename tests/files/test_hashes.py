"""Hashes are remembered, and never wrong."""

import hashlib
import os
import time
from pathlib import Path

import pytest

from moe_nmt.errors import UserError
from moe_nmt.files import hashes
from moe_nmt.files.hashes import Hashes


@pytest.fixture
def counted(monkeypatch: pytest.MonkeyPatch) -> list[Path]:
    """The files that were read."""
    read: list[Path] = []

    def sha256(path: Path) -> str:
        read.append(path)
        return hashlib.sha256(path.read_bytes()).hexdigest()

    monkeypatch.setattr(hashes, "sha256", sha256)
    monkeypatch.setattr(hashes, "COARSE", 0.05)
    return read


def test_an_unchanged_file_is_read_once(tmp_path: Path, counted: list[Path]) -> None:
    path = tmp_path / "file"
    path.write_text("one")
    time.sleep(0.1)
    digests = {Hashes(tmp_path / "memory").of(path) for _ in range(3)}
    assert digests == {hashlib.sha256(b"one").hexdigest()}
    assert counted == [path]


def test_a_file_that_just_changed_is_read_again(tmp_path: Path, counted: list[Path]) -> None:
    """A change of the same size within the clock's tick would not be seen."""
    path = tmp_path / "file"
    path.write_text("one")
    remembered = Hashes(tmp_path / "memory")
    remembered.of(path)
    path.write_text("two")
    assert remembered.of(path) == hashlib.sha256(b"two").hexdigest()
    assert len(counted) == 2


def test_a_time_that_was_set_back_does_not_deceive(tmp_path: Path, counted: list[Path]) -> None:
    path = tmp_path / "file"
    path.write_text("one")
    time.sleep(0.1)
    remembered = Hashes(tmp_path / "memory")
    remembered.of(path)
    stat = path.stat()
    path.write_text("two")
    os.utime(path, ns=(stat.st_atime_ns, stat.st_mtime_ns))
    assert path.stat().st_mtime_ns == stat.st_mtime_ns
    assert remembered.of(path) == hashlib.sha256(b"two").hexdigest()


@pytest.mark.parametrize("memory", ["", "[]", '{"%s": [1]}', "\x00"])
def test_a_damaged_memory_is_forgotten(memory: str, tmp_path: Path) -> None:
    path = tmp_path / "file"
    path.write_text("one")
    (tmp_path / "memory").write_text(memory.replace("%s", str(path)))
    assert Hashes(tmp_path / "memory").of(path) == hashlib.sha256(b"one").hexdigest()


def test_what_cannot_be_read_is_named(tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"cannot read .*absent: No such file"):
        Hashes(tmp_path / "memory").of(tmp_path / "absent")
