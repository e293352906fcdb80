"""Signals in training: saved, ended well, and gone on from as if nothing had been."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from unittest import mock

import pytest
import torch
from commands import ROOT, heed_interrupts, train_here, training

from moe_nmt.training.stopping import STOPS, Stopping, agreed, handled, save_and_stop

UPDATES = 23  # two and a half epochs
OPTIONS = ["--no-epoch-checkpoints", "--disable-validation", "--max-update", str(UPDATES)]
LOGGED = ["--log-interval", "1"]


def stopped(data: Path, folder: Path, number: int, *options: str) -> tuple[int, str]:
    """fairseq-train with a signal after its twelfth update: its exit status and its log."""
    command = [str(Path(sys.executable).with_name("fairseq-train"))]
    command += training(data, folder, *OPTIONS, *LOGGED, *options)
    with subprocess.Popen(
        command,
        cwd=ROOT,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        preexec_fn=heed_interrupts,
        env={**os.environ, "PYTHONUNBUFFERED": "1"},
    ) as process:
        assert process.stdout is not None
        said = ""
        for line in process.stdout:
            said += line
            if '"num_updates": "12"' in line:
                process.send_signal(number)
        process.wait(60)
    return process.returncode, said


@pytest.fixture(scope="module")
def straight(binarised: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return train_here(binarised, tmp_path_factory.mktemp("straight"), *OPTIONS)


def assert_same_end(last: Path, straight: Path) -> None:
    expected, found = torch.load(straight), torch.load(last)
    assert found["optimizer_history"][-1]["num_updates"] == UPDATES
    assert found["extra_state"]["train_iterator"] == expected["extra_state"]["train_iterator"]
    for part in ("model", "last_optimizer_state"):
        torch.testing.assert_close(found[part], expected[part], rtol=0, atol=0)


@pytest.mark.parametrize("number", STOPS)
def test_a_signal_saves_and_the_same_command_goes_on(
    number: int, binarised: Path, tmp_path: Path, straight: Path
) -> None:
    status, said = stopped(binarised, tmp_path, number)
    assert status == 128 + number
    assert "Traceback" not in said
    updates = torch.load(tmp_path / "checkpoint_last.pt")["optimizer_history"][-1]["num_updates"]
    assert 12 <= updates < UPDATES
    name = signal.Signals(number).name
    assert f"moe_nmt: {name} after update {updates}: saved in {tmp_path}" in said
    assert_same_end(train_here(binarised, tmp_path, *OPTIONS), straight)


@pytest.mark.distributed
def test_all_workers_stop_together_though_their_parent_alone_is_told(
    binarised: Path, tmp_path: Path
) -> None:
    status, said = stopped(
        binarised, tmp_path, signal.SIGTERM, "--distributed-world-size", "2", "--max-tokens", "300"
    )
    assert status == 143
    assert "Traceback" not in said
    state = torch.load(tmp_path / "checkpoint_last.pt")
    assert 12 <= state["optimizer_history"][-1]["num_updates"] < UPDATES
    assert not list(tmp_path.glob("*.part"))


def test_without_checkpoints_it_says_that_nothing_is_saved(
    caplog: pytest.LogCaptureFixture,
) -> None:
    cfg = mock.Mock(no_save=True)
    trainer = mock.Mock(data_parallel_rank=1, **{"get_num_updates.return_value": 5})
    with pytest.raises(SystemExit) as stop:
        save_and_stop(cfg, trainer, None, signal.SIGTERM)
    assert stop.value.code == 143
    assert "SIGTERM after update 5; nothing is saved, as asked for" in caplog.text


def test_a_second_signal_ends_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    stopping = Stopping()
    stopping.note(signal.SIGINT, None)
    stopping.note(signal.SIGINT, None)  # the same one, passed on by a launcher
    assert stopping.received == signal.SIGINT
    monkeypatch.setattr(time, "monotonic", lambda: stopping.since + 2)
    with pytest.raises(SystemExit) as stop:
        stopping.note(signal.SIGTERM, None)
    assert stop.value.code == 143


def test_signals_that_are_ignored_stay_so() -> None:
    before = signal.signal(signal.SIGINT, signal.SIG_IGN)
    try:
        with handled(Stopping().note):
            assert signal.getsignal(signal.SIGINT) is signal.SIG_IGN
            assert signal.getsignal(signal.SIGTERM) not in (signal.SIG_IGN, signal.SIG_DFL)
    finally:
        signal.signal(signal.SIGINT, before)
    assert signal.getsignal(signal.SIGTERM) is signal.SIG_DFL


def test_workers_agree_on_the_stronger_signal() -> None:
    assert agreed([0, 0]) == 0
    assert agreed([3.0, 0.0]) == signal.SIGINT
    assert agreed([1, 1]) == signal.SIGTERM
