"""How commands end: in a sentence, and with nothing half written."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from moe_nmt.errors import ending_in_a_sentence, first_line
from moe_nmt.files.text import opened_to_write

WAITS = """
import sys, time
from pathlib import Path
from moe_nmt.errors import ending_in_a_sentence
from moe_nmt.files.text import opened_to_write
with ending_in_a_sentence(), opened_to_write(Path(sys.argv[1])) as file:
    file.write(b"half")
    print("begun", flush=True)
    time.sleep(60)
"""


def test_sigterm_leaves_nothing_half_written(tmp_path: Path) -> None:
    process = subprocess.Popen(
        [sys.executable, "-c", WAITS, tmp_path / "out"], stdout=subprocess.PIPE, text=True
    )
    assert process.stdout is not None
    assert process.stdout.readline() == "begun\n"
    process.terminate()
    process.stdout.close()
    assert process.wait() == 128 + signal.SIGTERM
    assert not list(tmp_path.iterdir())


def test_a_handler_of_somebody_else_is_left(tmp_path: Path) -> None:
    received: list[int] = []
    before = signal.signal(signal.SIGTERM, lambda number, _: received.append(number))
    try:
        with ending_in_a_sentence(), opened_to_write(tmp_path / "out"):
            os.kill(os.getpid(), signal.SIGTERM)
        assert received == [signal.SIGTERM]
        assert (tmp_path / "out").exists()
    finally:
        signal.signal(signal.SIGTERM, before)


def test_the_handler_goes_with_the_command() -> None:
    before = signal.getsignal(signal.SIGTERM)
    with ending_in_a_sentence():
        pass
    assert signal.getsignal(signal.SIGTERM) is before


def test_a_closed_standard_output_is_told_of(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "stdout", None)
    with pytest.raises(SystemExit, match="the standard output is closed"), ending_in_a_sentence():
        pass


def test_the_first_line_of_an_error() -> None:
    assert first_line(RuntimeError("bad sizes:\n\tmore\n")) == "bad sizes"
    assert first_line(RuntimeError()) == "no reason given"
