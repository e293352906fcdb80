"""Maps a function over blocks of text with several processes, in order and in bounded memory.

A worker has one block at a time and gets the next when its result was taken, so that no more blocks
are in memory than there are workers, however long the text is.  (multiprocessing's own pools read
their input as fast as they can, and their workers outlive a parent that was killed.)
"""

from __future__ import annotations

import multiprocessing
import os
import signal
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from multiprocessing.connection import Connection
from multiprocessing.context import ForkProcess
from typing import Any, TypeVar

Block = TypeVar("Block")
Result = TypeVar("Result")


def available_cores() -> int:
    """How many cores this process may use."""
    return len(os.sched_getaffinity(0))


@dataclass(frozen=True)
class Worker:
    """A process and this side's end of the pipe to it."""

    process: ForkProcess
    pipe: Connection


def ordered_map(
    function: Callable[[Block], Result], blocks: Iterable[Block], workers: int
) -> Iterator[Result]:
    """``map(function, blocks)`` on several processes; the function is inherited, not pickled."""
    if workers == 1:
        yield from map(function, blocks)
        return
    crew = start(function, workers)
    try:
        idle, busy = deque(crew), deque[Worker]()
        for block in blocks:
            if idle:
                worker = idle.popleft()
            else:
                worker = busy.popleft()
                yield result_of(worker)
            try:
                worker.pipe.send(block)
            except OSError as error:
                raise dead(worker) from error
            busy.append(worker)
        for worker in busy:
            yield result_of(worker)
    finally:
        for worker in crew:
            worker.pipe.close()  # ends an idle worker's loop
            worker.process.kill()
            worker.process.join()


def start(function: Callable[[Any], Any], workers: int) -> list[Worker]:
    """Starts the processes."""
    context = multiprocessing.get_context("fork")
    crew: list[Worker] = []
    for _ in range(workers):
        ours, theirs = context.Pipe()
        inherited = [ours, *(worker.pipe for worker in crew)]
        process = context.Process(target=work, args=(function, theirs, inherited), daemon=True)
        process.start()
        theirs.close()
        crew.append(Worker(process, ours))
    return crew


def work(function: Callable[[Any], Any], pipe: Connection, inherited: list[Connection]) -> None:
    """A worker's life: answers until the other end of its pipe is closed, or its parent dead."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # the parent ends the work
    for connection in inherited:  # else the pipes would not close with the parent
        connection.close()
    failure: BaseException | None
    try:
        while True:
            block = pipe.recv()
            try:
                answer, failure = function(block), None
            except (Exception, SystemExit) as error:
                answer, failure = None, error
            pipe.send((answer, failure))
    except (EOFError, OSError):
        os._exit(0)


def result_of(worker: Worker) -> Any:
    """Waits for a worker's result; its exception becomes ours."""
    try:
        result, error = worker.pipe.recv()
    except (EOFError, OSError) as ended:
        raise dead(worker) from ended
    if error is not None:
        raise error
    return result


def dead(worker: Worker) -> SystemExit:
    """What is said of a worker that has ended."""
    worker.process.join()
    return SystemExit(
        f"moe_nmt: a worker process ended with status {worker.process.exitcode}: "
        "if memory ran out, take fewer with --workers"
    )
