"""Requests that wait together are translated together, and no more may wait than were agreed on."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any


class BusyError(Exception):
    """More sentences wait than may."""


@dataclass(frozen=True)
class Waiting:
    """A request."""

    texts: Sequence[str]
    answer: asyncio.Future[list[Any]]


class Batcher:
    """Lets one thread work on batches; while it does, the next one gathers.

    Args:
        work: answers texts, one for each, in their order.
        most: texts of a batch; a request with more is a batch of its own.
        room: texts that may wait, those at work included.
    """

    def __init__(self, work: Callable[[list[str]], Sequence[Any]], most: int, room: int) -> None:
        self.work, self.most, self.room = work, most, room
        self.waiting: deque[Waiting] = deque()
        self.held = 0  # texts that wait or are at work
        self.arrived = asyncio.Event()

    async def answer(self, texts: Sequence[str]) -> list[Any]:
        """The answers to a request's texts, when their turn has come.

        Raises:
            BusyError: there is no room for them now.
        """
        if self.held + len(texts) > self.room:
            raise BusyError
        request = Waiting(texts, asyncio.get_running_loop().create_future())
        self.held += len(texts)
        self.waiting.append(request)
        self.arrived.set()
        try:
            return await request.answer
        finally:
            self.held -= len(texts)

    async def run(self) -> None:
        """Works until it is cancelled."""
        loop = asyncio.get_running_loop()
        with ThreadPoolExecutor(1, "translating") as thread:
            while True:
                await self.arrived.wait()
                batch = self.next_batch()
                texts = [text for request in batch for text in request.texts]
                try:
                    answers = iter(await loop.run_in_executor(thread, self.work, texts))
                except Exception as error:
                    for request in batch:
                        give(request.answer, error)
                else:
                    for request in batch:
                        give(request.answer, [next(answers) for _ in request.texts])

    def next_batch(self) -> list[Waiting]:
        """The requests that fit into a batch, the oldest first; those given up are left out."""
        batch: list[Waiting] = []
        room = self.most
        while self.waiting and (not batch or len(self.waiting[0].texts) <= room):
            request = self.waiting.popleft()
            if not request.answer.done():
                batch.append(request)
                room -= len(request.texts)
        if not self.waiting:
            self.arrived.clear()
        return batch


def give(answer: asyncio.Future[list[Any]], result: list[Any] | Exception) -> None:
    """Ends a request, unless it has been given up."""
    if answer.done():
        return
    if isinstance(result, Exception):
        answer.set_exception(result)
    else:
        answer.set_result(result)
