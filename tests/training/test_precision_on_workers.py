"""Half precision on several workers: experts keep their mark, and move like the rest."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from comparisons import assert_same
from fairseq_workers import LARGE_EPSILON, trained
from worker_pool import WorkerPool

pytestmark = pytest.mark.distributed

Pool = Callable[[int], WorkerPool]
ADAM = ["--optimizer", "adam", "--adam-eps", "1e-4"]  # one of few that need no copy in float32
PRECISIONS = {
    "bf16": ["--bf16", *LARGE_EPSILON],
    "fp16": ["--fp16", "--fp16-no-flatten-grads", *LARGE_EPSILON],
    "memory-efficient-bf16": ["--memory-efficient-bf16", *ADAM],
    "memory-efficient-fp16": ["--memory-efficient-fp16", *ADAM],
}


@pytest.mark.parametrize("name", PRECISIONS)
def test_training_moves_between_numbers_of_workers(
    pool: Pool, binarised: Path, tmp_path: Path, name: str
) -> None:
    def run(world: int, folder: str, updates: int, *more: str) -> dict[str, Any]:
        options: Any = {"optimizer": PRECISIONS[name]}
        return trained(pool, world, binarised, tmp_path / folder, updates, *more, **options)

    expected = run(1, "alone", 4)
    run(2, "moved", 1)
    run(2, "moved", 3, "--sharded-checkpoints")
    state = run(1, "moved", 4)
    assert_same(state["model"], expected["model"], 0.01)
