"""fairseq-train on the workers of a pool, as if torchrun had started them."""

from __future__ import annotations

import logging
import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any
from unittest import mock

import pytest
import torch
from commands import run_here, training
from comparisons import assert_same
from worker_pool import WorkerPool

BATCHES = 4  # of one update, on all workers together
# Whatever the number of workers the numbers are the same: nothing is drawn, and nothing depends on
# which sentences are in one batch.
OPTIONS = [
    *("--gate", "softmax", "--k", "4", "--dropout", "0", "--clip-norm", "0.5"),
    *("--importance-weight", "0", "--load-weight", "0"),
    *("--no-epoch-checkpoints", "--max-tokens-valid", "250"),
]
LARGE_EPSILON = ["--epsilon", "1e-4"]  # keeps Adam from blowing up rounding errors
UPDATES = 8  # of 3 in an epoch, the third of which has batches on one worker of four alone


def run_on_worker(rank: int, world: int, command: str, arguments: list[str]) -> str:
    """fairseq's command on one worker; what it printed."""
    environment = {
        **{"RANK": str(rank), "WORLD_SIZE": str(world), "LOCAL_RANK": str(rank)},
        **{"MASTER_ADDR": "localhost", "MASTER_PORT": "0"},
    }
    logging.getLogger().setLevel(logging.WARNING)
    with mock.patch.dict(os.environ, environment):
        return run_here(command, *arguments)


def train_on_worker(rank: int, world: int, arguments: list[str]) -> str:
    """One worker's training; what it printed."""
    return run_on_worker(rank, world, "train", arguments)


def train_on(pool: Any, world: int, data: Path, folder: Path, *options: str) -> dict[str, Any]:
    """Trains on so many workers, one being this process; returns the last checkpoint."""
    arguments = training(data, folder, *options)
    if world == 1:
        run_here("train", *arguments)
    else:
        workers: WorkerPool = pool(world)
        workers.run(train_on_worker, world, arguments)
    state: dict[str, Any] = torch.load(folder / "checkpoint_last.pt", weights_only=True)
    return state


def trained(
    pool: Any,
    world: int,
    data: Path,
    folder: Path,
    updates: int,
    *more: str,
    optimizer: Sequence[str] = LARGE_EPSILON,
) -> dict[str, Any]:
    """The same updates on any number of workers; returns the last checkpoint."""
    more = (*more, *optimizer)
    accumulate = ["--update-freq", str(BATCHES // world), "--max-update", str(updates)]
    state = train_on(pool, world, data, folder, *OPTIONS, *accumulate, *more)
    assert state["optimizer_history"][-1]["num_updates"] == updates
    return state


def assert_same_training(state: dict[str, Any], expected: dict[str, Any]) -> None:
    """Compares models, optimizers' states, validations and places in the data."""
    assert_same(state["model"], expected["model"], 1e-5)
    for number, moments in expected["last_optimizer_state"]["state"].items():
        assert_same(state["last_optimizer_state"]["state"][number], moments, 1e-4)
    assert state["extra_state"]["val_loss"] == pytest.approx(expected["extra_state"]["val_loss"])
    position, where = (each["extra_state"]["train_iterator"] for each in (state, expected))
    assert position["epoch"] == where["epoch"]
