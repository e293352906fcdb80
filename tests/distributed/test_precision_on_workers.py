"""Half precision on several workers: experts keep their mark, and move like the rest."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from fairseq_workers import LARGE_EPSILON, trained
from test_same_numbers import assert_same
from worker_pool import WorkerPool

pytestmark = pytest.mark.distributed

Pool = Callable[[int], WorkerPool]
OPTIMIZERS = {
    "--bf16": LARGE_EPSILON,
    # One that keeps no copy in float32 can be used with few optimizers, such as fairseq's Adam.
    "--memory-efficient-bf16": ["--optimizer", "adam", "--adam-eps", "1e-4"],
}


@pytest.mark.parametrize("precision", OPTIMIZERS)
def test_training_moves_between_numbers_of_workers(
    pool: Pool, binarised: Path, tmp_path: Path, precision: str
) -> None:
    def run(world: int, folder: str, updates: int, *more: str) -> dict[str, Any]:
        options = (precision, *more)
        given: Any = {"optimizer": OPTIMIZERS[precision]}
        return trained(pool, world, binarised, tmp_path / folder, updates, *options, **given)

    expected = run(1, "alone", 4)
    run(2, "moved", 2)
    run(4, "moved", 3, "--sharded-checkpoints")
    state = run(1, "moved", 4)
    assert_same(state["model"], expected["model"], 0.01)
