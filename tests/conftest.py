"""Data and a checkpoint that many tests read, made once."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

# Before torch is imported: threads do not pay for small matrices, and wait for each other.
os.environ.setdefault("OMP_NUM_THREADS", "1")

from commands import ROOT, SIZES, preprocess, run, training


@pytest.fixture(scope="session")
def corpus(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder of text, {train,valid,test}.{en,de,fr}."""
    folder = tmp_path_factory.mktemp("corpus")
    sizes = [f"--{split}={size}" for split, size in SIZES.items()]
    generator = ROOT / "data" / "embedded" / "generate.py"
    subprocess.run([sys.executable, generator, folder, *sizes], check=True)
    return folder


@pytest.fixture(scope="session")
def binarised(corpus: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """What fairseq-preprocess makes of it: words, one dictionary for both languages."""
    folder = tmp_path_factory.mktemp("binarised")
    done = run("fairseq-preprocess", *preprocess(corpus, folder, "--joined-dictionary"))
    assert done.returncode == 0, done.stderr
    return folder


@pytest.fixture(scope="session")
def checkpoint(binarised: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The last checkpoint of fairseq-train after 60 updates."""
    folder = tmp_path_factory.mktemp("checkpoints")
    options = ["--max-update", "60", "--no-epoch-checkpoints"]
    done = run("fairseq-train", *training(binarised, folder, *options))
    assert done.returncode == 0, done.stderr
    return folder / "checkpoint_last.pt"
