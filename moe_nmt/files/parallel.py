"""Maps a function over blocks of text with several processes, in order and in bounded memory.

A worker has one block at a time and gets the next when its result was taken, so that no more blocks
are in memory than there are workers, however long the text is.  (multiprocessing's own pools read
their input as fast as they can, and their workers outlive a parent that was killed.)

Or runs one function in a process of its own.
"""

from __future__ import annotations

import fcntl
import multiprocessing
import os
import signal
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from multiprocessing.connection import Connection
from multiprocessing.context import ForkProcess
from typing import Any, TypeVar

from moe_nmt.errors import UserError

FEWER = "take fewer with --workers"
STOPS = {signal.SIGINT, signal.SIGTERM}

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
                raise dead(worker, FEWER) from error
            busy.append(worker)
        for worker in busy:
            yield result_of(worker)
    finally:
        stop(crew)


def in_own_process(function: Callable[[], Result], remedy: str) -> Result:
    """``function()``, whose memory goes back whole, and which a signal to us ends at once.

    UserError names the ``remedy`` where the process is killed, as for want of memory.
    """
    crew = start(lambda _: function(), 1)
    try:
        crew[0].pipe.send(None)
        result: Result = result_of(crew[0], remedy)
        return result
    finally:
        stop(crew)


def start(function: Callable[[Any], Any], workers: int) -> list[Worker]:
    """Starts the processes."""
    context = multiprocessing.get_context("fork")
    crew: list[Worker] = []
    for _ in range(workers):
        ours, theirs = context.Pipe()
        inherited = [ours, *(worker.pipe for worker in crew)]
        process = context.Process(target=work, args=(function, theirs, inherited), daemon=True)
        # A stop that comes before the worker knows what to do at it waits for that; one that comes
        # while this process forks would be lost in a callback.
        mask = signal.pthread_sigmask(signal.SIG_BLOCK, STOPS)
        try:
            process.start()
        finally:
            signal.pthread_sigmask(signal.SIG_SETMASK, mask)
        theirs.close()
        crew.append(Worker(process, ours))
    return crew


def stop(crew: list[Worker]) -> None:
    """Ends the processes, whatever they do."""
    for worker in crew:
        worker.pipe.close()  # ends an idle worker's loop
        worker.process.kill()
        worker.process.join()


def work(function: Callable[[Any], Any], pipe: Connection, inherited: list[Connection]) -> None:
    """A worker's life: answers until the other end of its pipe is closed, or its parent dead."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # the parent ends the work
    signal.signal(signal.SIGTERM, signal.SIG_DFL)  # whatever the parent does at it
    signal.pthread_sigmask(signal.SIG_UNBLOCK, STOPS)
    for connection in inherited:  # else the pipes would not close with the parent
        connection.close()
    failure: BaseException | None
    try:
        while True:
            block = pipe.recv()
            with ended_by_hangup(pipe):
                try:
                    answer, failure = function(block), None
                except Exception as error:
                    answer, failure = None, error
            pipe.send((answer, failure))
    except (EOFError, OSError):
        os._exit(0)


@contextmanager
def ended_by_hangup(pipe: Connection) -> Iterator[None]:
    """While it lasts the kernel ends this process when the other end of its pipe is closed.

    Python could not: a library in C may run for minutes without it.
    """
    fcntl.fcntl(pipe.fileno(), fcntl.F_SETOWN, os.getpid())
    flags = fcntl.fcntl(pipe.fileno(), fcntl.F_GETFL)
    fcntl.fcntl(pipe.fileno(), fcntl.F_SETFL, flags | os.O_ASYNC)  # SIGIO, which terminates
    yield
    fcntl.fcntl(pipe.fileno(), fcntl.F_SETFL, flags)


def result_of(worker: Worker, remedy: str = FEWER) -> Any:
    """Waits for a worker's result; its exception becomes ours."""
    try:
        result, error = worker.pipe.recv()
    except (EOFError, OSError) as ended:
        raise dead(worker, remedy) from ended
    if error is not None:
        raise error
    return result


def dead(worker: Worker, remedy: str) -> UserError:
    """What is said of a worker that has ended."""
    worker.process.join()
    return UserError(
        f"a worker process ended with status {worker.process.exitcode}: if memory ran out, {remedy}"
    )
