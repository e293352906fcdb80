"""Requests in batches, within bounds."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Awaitable, Callable

import pytest

from moe_nmt.serving.batcher import Batcher, BusyError


class Worker:
    """Answers in capitals, when it is let go."""

    def __init__(self) -> None:
        self.batches: list[list[str]] = []
        self.go = threading.Event()

    def __call__(self, texts: list[str]) -> list[str]:
        self.batches.append(texts)
        assert self.go.wait(20)
        if "bad" in texts:
            raise ValueError("bad")
        return [text.upper() for text in texts]


def running(test: Callable[[Batcher, Worker], Awaitable[None]], most: int, room: int) -> None:
    """Runs a test beside a batcher."""

    async def main() -> None:
        worker = Worker()
        batcher = Batcher(worker, most, room)
        task = asyncio.create_task(batcher.run())
        try:
            await test(batcher, worker)
        finally:
            worker.go.set()
            task.cancel()

    asyncio.run(main())


async def begun(worker: Worker) -> None:
    """Waits until a batch is at work."""
    while not worker.batches:
        await asyncio.sleep(0.001)


def test_what_waits_is_worked_on_together() -> None:
    async def test(batcher: Batcher, worker: Worker) -> None:
        first = asyncio.create_task(batcher.answer(["a"]))
        await begun(worker)
        rest = [asyncio.create_task(batcher.answer(texts)) for texts in (["b", "c"], ["d"], ["e"])]
        await asyncio.sleep(0)
        worker.go.set()
        assert await asyncio.gather(first, *rest) == [["A"], ["B", "C"], ["D"], ["E"]]
        assert worker.batches == [["a"], ["b", "c", "d"], ["e"]]

    running(test, most=3, room=9)


def test_no_more_wait_than_may() -> None:
    async def test(batcher: Batcher, worker: Worker) -> None:
        first = asyncio.create_task(batcher.answer(["a", "b"]))
        await begun(worker)
        second = asyncio.create_task(batcher.answer(["c"]))
        await asyncio.sleep(0)
        with pytest.raises(BusyError):
            await batcher.answer(["d", "e"])
        third = asyncio.create_task(batcher.answer(["f"]))
        await asyncio.sleep(0)
        assert batcher.held == 4
        worker.go.set()
        assert await asyncio.gather(first, second, third) == [["A", "B"], ["C"], ["F"]]
        assert batcher.held == 0
        assert await batcher.answer(["g"] * 4) == ["G"] * 4  # more than a batch: one of its own

    running(test, most=2, room=4)


def test_a_request_that_is_given_up_makes_room_and_no_work() -> None:
    async def test(batcher: Batcher, worker: Worker) -> None:
        first = asyncio.create_task(batcher.answer(["a"]))
        await begun(worker)
        second = asyncio.create_task(batcher.answer(["b"]))
        third = asyncio.create_task(batcher.answer(["c"]))
        await asyncio.sleep(0)
        second.cancel()
        await asyncio.sleep(0)
        assert batcher.held == 2
        worker.go.set()
        assert await asyncio.gather(first, third) == [["A"], ["C"]]
        assert worker.batches == [["a"], ["c"]]

    running(test, most=4, room=4)


def test_an_error_is_the_requests_and_the_work_goes_on() -> None:
    async def test(batcher: Batcher, worker: Worker) -> None:
        worker.go.set()
        with pytest.raises(ValueError, match="bad"):
            await batcher.answer(["bad"])
        assert await batcher.answer(["a"]) == ["A"]
        assert await batcher.answer([]) == []

    running(test, most=4, room=4)
