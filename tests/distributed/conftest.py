"""Pools of 2 and of 4 workers, each started once."""

from collections.abc import Callable, Iterator

import pytest
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
