"""Half precision on several workers: experts keep their mark, and move like the rest."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
from fairseq_workers import trained
from test_same_numbers import assert_same
from worker_pool import WorkerPool

pytestmark = pytest.mark.distributed

Pool = Callable[[int], WorkerPool]
# fairseq's own Adam is what its memory efficient optimizers can use.
KINDS = {
    "bf16": ["--bf16"],
    "memory-efficient-bf16": ["--memory-efficient-bf16", "--optimizer", "nag"],
}


@pytest.mark.parametrize("kind", KINDS)
def test_training_moves_between_numbers_of_workers(
    pool: Pool, binarised: Path, tmp_path: Path, kind: str
) -> None:
    expected = trained(pool, 1, binarised, tmp_path / "alone", 4, *KINDS[kind])
    for world, updates, more in [(2, 2, []), (4, 3, ["--sharded-checkpoints"]), (1, 4, [])]:
        state = trained(pool, world, binarised, tmp_path / "moved", updates, *KINDS[kind], *more)
    assert_same(state["model"], expected["model"], 0.05)
