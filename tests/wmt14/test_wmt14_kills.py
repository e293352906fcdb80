"""Runs that are killed, kill -9, end in the same bytes as an undisturbed one when run again."""

from __future__ import annotations

import os
import random
import subprocess
import sys
import time
from pathlib import Path

import pytest
from miniature_wmt import ROOT, Miniature, contents

from moe_nmt.cli.prepare import main

MOST_LINES = 46  # two of every stage of English-French


def killed(miniature: Miniature, folder: Path, lines: int, delay: float) -> None:
    """Kills a run some seconds after it said some lines.

    Only the main process is killed: its workers must notice.
    """
    process = subprocess.Popen(
        [sys.executable, "-m", "moe_nmt.cli.prepare", *miniature.options(folder, "--workers", 2)],
        cwd=ROOT,
        env={**os.environ, "no_proxy": "127.0.0.1"},
        stdout=subprocess.PIPE,
        text=True,
    )
    assert process.stdout is not None
    for _ in range(lines):
        process.stdout.readline()
    time.sleep(delay)
    process.kill()
    process.communicate(timeout=60)  # returns when the workers have closed the pipe, too


def moment(seed: int) -> tuple[int, float]:
    """How many lines a run says before it is killed, and the seconds after the last one."""
    draw = random.Random(seed)
    return draw.randint(1, MOST_LINES), draw.choice([0.0, draw.uniform(0, 0.1), draw.uniform(0, 1)])


@pytest.mark.parametrize("seeds", [range(3), range(3, 6)])
def test_killed_again_and_again(
    seeds: range, miniature: Miniature, undisturbed: Path, tmp_path: Path
) -> None:
    for lines, delay in sorted(map(moment, seeds)):
        killed(miniature, tmp_path / "dest", lines, delay)
    main(miniature.options(tmp_path / "dest"))
    assert contents(tmp_path / "dest") == contents(undisturbed)


@pytest.mark.slow
@pytest.mark.parametrize("seed", range(100, 150))
def test_killed_at_any_moment(
    seed: int, miniature: Miniature, undisturbed: Path, tmp_path: Path
) -> None:
    killed(miniature, tmp_path / "dest", *moment(seed))
    main(miniature.options(tmp_path / "dest"))
    assert contents(tmp_path / "dest") == contents(undisturbed)
