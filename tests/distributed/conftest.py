"""Pools of 2 and of 4 workers, each started once, and what one worker trains without a stop."""

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from fairseq_workers import UPDATES, trained
from worker_pool import WorkerPool


@pytest.fixture(scope="session")
def pool() -> Iterator[Callable[[int], WorkerPool]]:
    """Gives the pool of so many workers."""
    pools: dict[int, WorkerPool] = {}

    def of(world: int) -> WorkerPool:
        if world not in pools:
            pools[world] = WorkerPool(world)
        return pools[world]

    yield of
    for one in pools.values():
        one.close()


@pytest.fixture(scope="session")
def alone(
    pool: Callable[[int], WorkerPool], binarised: Path, tmp_path_factory: pytest.TempPathFactory
) -> dict[str, Any]:
    """A training on one worker, without a stop."""
    return trained(pool, 1, binarised, tmp_path_factory.mktemp("alone"), UPDATES)
