"""fairseq-train on several workers: the same training, whose checkpoints do not know how many."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from fairseq_workers import DETERMINISTIC, train_on
from test_same_numbers import assert_same
from worker_pool import WorkerPool

pytestmark = pytest.mark.distributed

Pool = Callable[[int], WorkerPool]
BATCHES = 4  # of one update, on all workers together
OPTIONS = [*DETERMINISTIC, "--no-epoch-checkpoints", "--max-tokens-valid", "250"]
UPDATES = 8  # of 3 in an epoch, the third of which has batches on one worker of four alone


def trained(
    pool: Pool, world: int, data: Path, folder: Path, updates: int, *more: str
) -> dict[str, Any]:
    accumulate = ["--update-freq", str(BATCHES // world), "--max-update", str(updates)]
    state = train_on(pool, world, data, folder, *OPTIONS, *accumulate, *more)
    assert state["optimizer_history"][-1]["num_updates"] == updates
    return state


@pytest.fixture(scope="module")
def alone(pool: Pool, binarised: Path, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    """A training on one worker, without a stop."""
    return trained(pool, 1, binarised, tmp_path_factory.mktemp("alone"), UPDATES)


def assert_same_training(state: dict[str, Any], expected: dict[str, Any]) -> None:
    assert_same(state["model"], expected["model"], 1e-5)
    for number, moments in expected["last_optimizer_state"]["state"].items():
        assert_same(state["last_optimizer_state"]["state"][number], moments, 1e-4)
    assert state["extra_state"]["val_loss"] == pytest.approx(expected["extra_state"]["val_loss"])
    position, where = (each["extra_state"]["train_iterator"] for each in (state, expected))
    assert position["epoch"] == where["epoch"]


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
