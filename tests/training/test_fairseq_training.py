"""fairseq-train on several workers: the same training, whose checkpoints do not know how many."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from fairseq_workers import UPDATES, assert_same_training, train_on, trained
from worker_pool import WorkerPool

pytestmark = pytest.mark.distributed

Pool = Callable[[int], WorkerPool]


@pytest.mark.parametrize(("world", "size"), [(2, 2), (4, 4), (4, 2)])
def test_training_is_the_same_as_on_one_worker(
    pool: Pool, binarised: Path, tmp_path: Path, alone: dict[str, Any], world: int, size: int
) -> None:
    more = ["--expert-parallel-size", str(size)]
    assert_same_training(trained(pool, world, binarised, tmp_path, UPDATES, *more), alone)


def test_training_moves_between_numbers_of_workers(
    pool: Pool, binarised: Path, tmp_path: Path, alone: dict[str, Any]
) -> None:
    for world, updates in [(1, 2), (2, 4), (4, 5), (1, UPDATES)]:
        state = trained(pool, world, binarised, tmp_path, updates)
    assert_same_training(state, alone)


def test_factored_experts_move_between_numbers_of_workers(
    pool: Pool, binarised: Path, tmp_path: Path
) -> None:
    factored = ["--optimizer", "factored_experts"]
    expected = trained(pool, 1, binarised, tmp_path / "alone", UPDATES, *factored)
    names = {name for state in expected["last_optimizer_state"]["state"].values() for name in state}
    assert names == {"step", "exp_avg", "exp_avg_sq", "rows", "columns"}
    for world, updates in [(1, 2), (2, 4), (4, 5), (1, UPDATES)]:
        state = trained(pool, world, binarised, tmp_path / "moved", updates, *factored)
    assert_same_training(state, expected)


def test_bleu_is_the_same_though_sentences_take_different_numbers_of_steps(
    pool: Pool, binarised: Path, checkpoint: Path, tmp_path: Path
) -> None:
    """Each worker decodes batches of its own; at the end some have none left."""
    options = [
        *("--finetune-from-model", str(checkpoint), "--lr", "1e-9", "--max-update", "1"),
        *("--eval-bleu", "--eval-bleu-args", '{"beam": 2, "max_len_a": 0, "max_len_b": 12}'),
        *("--best-checkpoint-metric", "bleu", "--maximize-best-checkpoint-metric"),
        *("--max-tokens-valid", "100"),
    ]
    scores = [
        train_on(pool, world, binarised, tmp_path / str(world), *options)["extra_state"]["val_loss"]
        for world in (1, 4)
    ]
    assert scores[0] > 0.1
    assert scores[1] == pytest.approx(scores[0], abs=0.011)
