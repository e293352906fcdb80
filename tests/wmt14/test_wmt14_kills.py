"""Runs that are killed, kill -9, end in the same bytes as an undisturbed one when run again."""

from __future__ import annotations

import contextlib
import os
import random
import subprocess
import sys
import time
from pathlib import Path

import pytest
from miniature_wmt import ROOT, Miniature, contents

from moe_nmt.cli.prepare import main


def start(miniature: Miniature, folder: Path) -> subprocess.Popen[str]:
    """Starts a run in a process of its own, and waits until it says something."""
    process = subprocess.Popen(
        [sys.executable, "-m", "moe_nmt.cli.prepare", *miniature.options(folder, "--workers", 2)],
        cwd=ROOT,
        env={**os.environ, "no_proxy": "127.0.0.1"},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )
    assert process.stdout is not None
    process.stdout.readline()
    return process


def killed(miniature: Miniature, folder: Path, moment: float) -> bool:
    """Kills a run after some seconds; returns whether it was still running.

    Only the main process is killed: its workers must notice.
    """
    process = start(miniature, folder)
    with contextlib.suppress(subprocess.TimeoutExpired):
        process.communicate(timeout=moment)
    was_running = process.poll() is None
    process.kill()
    process.communicate()  # returns when the workers have closed the pipe, too
    return was_running


@pytest.fixture(scope="session")
def duration(miniature: Miniature, tmp_path_factory: pytest.TempPathFactory) -> float:
    """Seconds that a run takes after its first words."""
    process = start(miniature, tmp_path_factory.mktemp("timed") / "dest")
    begin = time.monotonic()
    _, said = process.communicate(timeout=60)
    assert process.returncode == 0, said
    return time.monotonic() - begin


@pytest.mark.parametrize("seed", range(2))
def test_killed_again_and_again(
    seed: int, miniature: Miniature, undisturbed: Path, duration: float, tmp_path: Path
) -> None:
    draw = random.Random(seed)
    moments = sorted(draw.uniform(0, 0.8 * duration) for _ in range(3))
    were_running = [killed(miniature, tmp_path / "dest", moment) for moment in moments]
    assert were_running[0]
    main(miniature.options(tmp_path / "dest"))
    assert contents(tmp_path / "dest") == contents(undisturbed)


@pytest.mark.slow
@pytest.mark.parametrize("seed", range(100, 150))
def test_killed_at_any_moment(
    seed: int, miniature: Miniature, undisturbed: Path, duration: float, tmp_path: Path
) -> None:
    killed(miniature, tmp_path / "dest", random.Random(seed).uniform(0, duration))
    main(miniature.options(tmp_path / "dest"))
    assert contents(tmp_path / "dest") == contents(undisturbed)
