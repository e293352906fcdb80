"""Progress in a log and on a terminal."""

import pytest

from moe_nmt.files import progress as progresses
from moe_nmt.files.progress import Progress


def test_a_log_has_plain_lines(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    with Progress("cleaning", "pairs") as progress:
        progress.add(1000)
        assert capsys.readouterr().err == ""  # not yet
        monkeypatch.setattr(progresses, "IN_LOG", 0.0)
        progress.add(2000)
    said = capsys.readouterr().err
    assert said.startswith("cleaning: 3,000 pairs, ")
    assert said.endswith(" pairs/s\n")
    assert "\r" not in said


def test_a_terminal_has_a_bar_that_disappears(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("sys.stderr.isatty", lambda: True)
    monkeypatch.setattr(progresses, "ON_TERMINAL", 0.0)
    with Progress("downloading", "MB", 4_000_000, 1_000_000, done=1_000_000) as progress:
        progress.add(1_000_000)
    said = capsys.readouterr().err
    assert said.startswith("\rdownloading: 2 of 4 MB, ")
    assert "[==========          ]" in said
    assert said.endswith("\r\033[K")


def test_the_rate_is_of_this_run() -> None:
    progress = Progress("downloading", "MB", 400, 1, done=100)
    progress.done = 200
    assert progress.line(10.0) == (
        "downloading: 200 of 400 MB, 10.0 MB/s [==========          ] 20 s left"
    )
