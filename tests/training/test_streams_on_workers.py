"""--carry-state on several workers: each goes on with the state of its own streams."""

from __future__ import annotations

import logging
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from commands import ROOT, run, run_here
from fairseq_workers import train_on_worker
from worker_pool import WorkerPool

pytestmark = pytest.mark.distributed


@pytest.fixture(scope="module")
def text(corpus: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """English, binarised as words."""
    folder = tmp_path_factory.mktemp("text")
    prefixes = [f"--{split}pref={corpus / split}.en" for split in ("train", "valid")]
    done = run("fairseq-preprocess", "--only-source", *prefixes, f"--destdir={folder}")
    assert done.returncode == 0, done.stderr
    return folder


def training(data: Path, folder: Path, updates: int) -> list[str]:
    """The arguments of fairseq-train."""
    return [
        *(str(data), "--save-dir", str(folder), "--user-dir", str(ROOT / "moe_nmt"), "--cpu"),
        *("--task", "expert_parallel_language_modeling", "--carry-state", "--dropout", "0"),
        *("--tokens-per-sample", "25", "--batch-size", "8", "--num-workers", "0"),
        *("--arch", "lstm_moe_lm_tiny", "--model-dim", "32", "--lstm-cells", "32"),
        *("--expert-hidden", "32", "--experts", "4", "--gate", "softmax", "--k", "4"),
        *("--criterion", "balanced_cross_entropy", "--optimizer", "fused_adam", "--lr", "0.01"),
        *("--no-epoch-checkpoints", "--disable-validation", "--max-update", str(updates)),
    ]


def test_a_resumed_training_is_bit_exact(
    pool: Callable[[int], WorkerPool], text: Path, tmp_path: Path, caplog: Any
) -> None:
    def train_on_two(folder: str, updates: int) -> dict[str, Any]:
        pool(2).run(train_on_worker, 2, training(text, tmp_path / folder, updates))
        state: dict[str, Any] = torch.load(tmp_path / folder / "checkpoint_last.pt")
        return state

    straight = train_on_two("straight", 9)
    first = train_on_two("resumed", 4)
    resumed = train_on_two("resumed", 9)
    for part in ("model", "last_optimizer_state"):
        torch.testing.assert_close(resumed[part], straight[part], rtol=0, atol=0)
    carried = [state["task_state"]["carried"] for state in (straight, resumed, first)]
    assert len(carried[0]) == 2
    shapes = [tensor.shape for own in carried[0] for layer in own for tensor in layer]
    assert shapes == [(1, 8, 32)] * 8
    torch.testing.assert_close(carried[0], carried[1], rtol=0, atol=0)
    assert not torch.equal(carried[0][0][0][0], carried[0][1][0][0])  # each worker's own
    assert not torch.equal(carried[0][0][0][0], carried[2][0][0][0])

    with caplog.at_level(logging.WARNING):  # alone: it begins anew, and goes on
        run_here("train", *training(text, tmp_path / "resumed", 12))
    assert "start anew: the checkpoint has the state of 2 workers' streams" in caplog.text
    state = torch.load(tmp_path / "resumed" / "checkpoint_last.pt")
    assert len(state["task_state"]["carried"]) == 1
