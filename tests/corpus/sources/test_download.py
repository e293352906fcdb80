"""Downloads from a server that drops connections, sends wrong bytes, ignores ranges or is busy."""

from __future__ import annotations

import fcntl
import hashlib
import random
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from http_server import Server, serve

from moe_nmt.corpus.sources import download as downloading
from moe_nmt.corpus.sources.download import Checksum, download
from moe_nmt.errors import UserError

CONTENT = random.Random(1).randbytes(700_000)  # more than two chunks
CHECKSUM = Checksum("sha256", hashlib.sha256(CONTENT).hexdigest(), len(CONTENT))
HALF = len(CONTENT) // 2


@pytest.fixture
def server(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Server]:
    """Serves CONTENT as ``file`` and ``mirror``."""
    monkeypatch.setattr(downloading, "FIRST_WAIT", 0.001)
    monkeypatch.setenv("no_proxy", "127.0.0.1")
    served = tmp_path / "served"
    served.mkdir()
    for name in ("file", "mirror"):
        (served / name).write_bytes(CONTENT)
    with serve(served) as server:
        yield server


@pytest.fixture
def path(tmp_path: Path) -> Path:
    """Where to download to."""
    return tmp_path / "got" / "file"


def names(path: Path) -> list[str]:
    return sorted(other.name for other in path.parent.iterdir())


def get(server: Server, path: Path, *names: str, checksum: Checksum | None = CHECKSUM) -> None:
    download([f"{server.address}/{name}" for name in names or ("file",)], path, checksum)


def test_resumes_a_broken_download_by_ranges(
    server: Server, path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    server.faults["file"] = ["503", "cut", "reset", "cut"]
    get(server, path)
    assert path.read_bytes() == CONTENT
    quarter = HALF + HALF // 2
    ranges = [f"bytes={HALF}-", f"bytes={HALF}-", f"bytes={quarter}-"]
    assert server.asked("file") == [None, None, *ranges]
    said = capsys.readouterr().err
    assert "/file: the server answered 503 Service Unavailable; trying again in 0.001 s" in said
    assert f"/file: only {HALF} of {len(CONTENT)} bytes came; trying again" in said
    assert names(path) == ["file"]


def test_resumes_what_another_run_began(server: Server, path: Path) -> None:
    path.parent.mkdir()
    path.with_name("file.part").write_bytes(CONTENT[:1000])
    get(server, path)
    assert path.read_bytes() == CONTENT
    assert server.asked("file") == ["bytes=1000-"]


def test_a_complete_part_needs_no_server(path: Path) -> None:
    path.parent.mkdir()
    path.with_name("file.part").write_bytes(CONTENT)
    download(["http://127.0.0.1:9/file"], path, CHECKSUM)
    assert path.read_bytes() == CONTENT


@pytest.mark.parametrize("fault", ["no ranges", "wrong range"])
def test_a_server_that_sends_another_part_is_noticed(
    fault: str, server: Server, path: Path
) -> None:
    server.faults["file"] = ["cut", fault]
    get(server, path)
    assert path.read_bytes() == CONTENT


def test_wrong_bytes_are_set_aside_and_never_used(server: Server, path: Path) -> None:
    server.faults["file"] = ["wrong bytes"]
    with pytest.raises(UserError, match=r"^what came from .*/file is not the published "):
        get(server, path)
    assert names(path) == ["file.bad"]
    get(server, path)
    assert names(path) == ["file", "file.bad"]
    assert path.read_bytes() == CONTENT


def test_the_beginning_of_another_file_costs_one_more_download(server: Server, path: Path) -> None:
    path.parent.mkdir()
    path.with_name("file.part").write_bytes(b"other")
    get(server, path)
    assert path.read_bytes() == CONTENT
    assert server.asked("file") == ["bytes=5-", None]


def test_what_is_longer_than_the_file_is_not_kept(server: Server, path: Path) -> None:
    path.parent.mkdir()
    path.with_name("file.part").write_bytes(CONTENT + b"more")
    get(server, path)
    assert path.read_bytes() == CONTENT


def test_another_size_is_refused_before_it_is_downloaded(server: Server, path: Path) -> None:
    server.faults["file"] = ["other size"]
    with pytest.raises(UserError, match=f"offers {len(CONTENT) + 4} bytes, not {len(CONTENT)};"):
        get(server, path)
    assert len(server.asked("file")) == 1


def test_mirrors_stand_in(server: Server, path: Path) -> None:
    server.faults["file"] = ["cut", *["503"] * 4]
    server.faults["mirror"] = ["cut"]
    get(server, path, "absent", "file", "mirror")
    assert path.read_bytes() == CONTENT
    assert server.asked("mirror")[0] == f"bytes={HALF}-"


def test_wrong_bytes_of_one_address_leave_the_other(server: Server, path: Path) -> None:
    server.faults["file"] = ["wrong bytes"]
    get(server, path, "file", "mirror")
    assert path.read_bytes() == CONTENT
    assert names(path) == ["file", "file.bad"]


def test_a_server_that_gives_up_is_one_sentence(server: Server, path: Path) -> None:
    server.faults["file"] = ["503"] * 9
    with pytest.raises(UserError) as stop:
        get(server, path)
    assert str(stop.value) == (
        f"cannot download {server.address}/file: the server answered 503 Service "
        f"Unavailable; check the connection, or put the file at {path} yourself"
    )
    assert len(server.asked("file")) == downloading.ATTEMPTS


def test_progress_gives_new_attempts(server: Server, path: Path) -> None:
    server.faults["file"] = ["cut"] * 9
    get(server, path)
    assert path.read_bytes() == CONTENT
    assert len(server.asked("file")) == 10


def test_without_a_checksum_nothing_old_is_trusted(server: Server, path: Path) -> None:
    path.parent.mkdir()
    path.with_name("file.part").write_bytes(b"another version")
    server.faults["file"] = ["cut"]
    get(server, path, checksum=None)
    assert path.read_bytes() == CONTENT
    assert server.asked("file") == [None, f"bytes={HALF}-"]


def test_one_run_at_a_time(server: Server, path: Path) -> None:
    path.parent.mkdir()
    part = path.with_name("file.part")
    program = f"import fcntl; f = open({str(part)!r}, 'a'); fcntl.lockf(f, {fcntl.LOCK_EX}); "
    other = subprocess.Popen(
        [sys.executable, "-c", program + "print('locked', flush=True); input()"],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    assert other.stdout is not None
    assert other.stdout.readline() == "locked\n"
    with pytest.raises(UserError, match=r"another run is downloading .*file.part: wait"):
        get(server, path)
    other.communicate("\n")
    get(server, path)
    assert path.read_bytes() == CONTENT
