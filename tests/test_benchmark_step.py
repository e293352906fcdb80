"""The benchmark of a training step, on a CPU, where nothing is launched."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

from commands import ROOT


def test_a_step_is_timed(tmp_path: Path) -> None:
    figures = tmp_path / "figures.json"
    command = [sys.executable, "scripts/benchmark_step.py", "gnmt_moe_tiny", "--steps", "2"]
    command += ["--sentences", "4", "--length", "5", "--vocabulary", "30", "--json", str(figures)]
    command += ["--precision", "fp32", "bf16", "--model", "experts=8", "k=3"]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    results = json.loads(figures.read_text())["results"]
    assert [result["precision"] for result in results] == ["fp32", "bf16"]
    for result in results:
        assert result["arch"] == "gnmt_moe_tiny"
        words = 4 * 5 / (result["milliseconds"] / 1000)
        assert abs(result["target words/s"] - words) < 0.02 * words
    assert "4 x 5 words" in done.stdout


def test_a_model_that_cannot_be_is_one_sentence(tmp_path: Path) -> None:
    command = [sys.executable, "scripts/benchmark_step.py", "gnmt_moe_tiny", "--model", "k=99"]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 1
    assert "k must be between 1 and the" in done.stderr.splitlines()[-1]
