"""Several processes: order, bounded memory, errors, and no orphans."""

from __future__ import annotations

import multiprocessing.process
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from threading import Timer
from typing import Any

import pytest
from commands import ROOT, heed_interrupts

from moe_nmt.errors import UserError
from moe_nmt.files.parallel import available_cores, in_own_process, ordered_map


@pytest.mark.parametrize("workers", [1, 2, 5])
@pytest.mark.parametrize("blocks", [0, 1, 4, 23])
def test_results_come_in_order(workers: int, blocks: int) -> None:
    def slow_at_first(block: int) -> tuple[int, bytes]:
        time.sleep(0.02 if block == 0 else 0)
        return block, bytes(100_000)  # more than a pipe holds

    found = [number for number, _ in ordered_map(slow_at_first, range(blocks), workers)]
    assert found == list(range(blocks))


def test_no_more_blocks_are_read_than_there_are_workers() -> None:
    read = 0

    def blocks() -> Iterator[int]:
        nonlocal read
        while read < 100:
            read += 1
            yield read

    for done, _ in enumerate(ordered_map(lambda block: block, blocks(), 3)):
        assert read <= done + 4


@pytest.mark.parametrize("workers", [1, 3])
@pytest.mark.parametrize("error", [UserError("a sentence"), ValueError("a mistake")])
def test_errors_arrive(workers: int, error: BaseException) -> None:
    def fails(block: int) -> int:
        if block == 5:
            raise error
        return block

    with pytest.raises(type(error), match=str(error)):
        list(ordered_map(fails, range(10), workers))


def test_a_worker_that_is_killed_is_one_sentence() -> None:
    def dies(block: int) -> None:
        os.kill(os.getpid(), signal.SIGKILL)

    with pytest.raises(UserError, match=r"status -9: if memory ran out, take fewer with --work"):
        list(ordered_map(dies, range(3), 2))


def test_a_worker_that_is_killed_between_blocks_is_one_sentence() -> None:
    def dies_later(block: int) -> None:
        Timer(0.01, os._exit, [9]).start()

    def slowly() -> Iterator[int]:
        for block in range(100):
            time.sleep(0.02)
            yield block

    with pytest.raises(UserError, match=r"status 9: if memory ran out"):
        list(ordered_map(dies_later, slowly(), 2))


def is_running(process: int) -> bool:
    try:
        state = Path(f"/proc/{process}/stat").read_text().rsplit(")", 1)[1].split()[0]
    except OSError:
        return False
    return state != "Z"


def test_workers_end_with_a_parent_that_is_killed() -> None:
    program = (
        "import os, time\n"
        "from moe_nmt.files.parallel import ordered_map\n"
        "for pid in ordered_map(lambda block: os.getpid(), range(3), 3): print(pid, flush=True)\n"
    ).replace("range(3), 3)", "iter(lambda: time.sleep(0.01), 1), 3)")
    parent = subprocess.Popen(
        [sys.executable, "-c", program], cwd=ROOT, stdout=subprocess.PIPE, text=True
    )
    assert parent.stdout is not None
    workers = {int(parent.stdout.readline()) for _ in range(6)}
    assert len(workers) == 3
    assert all(map(is_running, workers))
    parent.kill()
    parent.wait()
    parent.stdout.close()
    assert_ended(workers)


def assert_ended(workers: set[int]) -> None:
    deadline = time.monotonic() + 10
    while (left := [*filter(is_running, workers)]) and time.monotonic() < deadline:
        time.sleep(0.02)
    for worker in left:
        os.kill(worker, signal.SIGKILL)
    assert not left


# PyDLL keeps Python waiting, as a library does that learns for minutes.
BUSY = (
    "import ctypes, os\n"
    "from moe_nmt.files.parallel import in_own_process, ordered_map\n"
    "def busy(_=None):\n"
    "    os.write(1, b'%d\\n' % os.getpid())\n"
    "    ctypes.PyDLL(None).sleep(100)\n"
)


@pytest.mark.parametrize(
    ("program", "workers"),
    [(f"{BUSY}in_own_process(busy, '')", 1), (f"{BUSY}list(ordered_map(busy, range(9), 2))", 2)],
)
@pytest.mark.parametrize("killed_by", [signal.SIGKILL, signal.SIGINT])
def test_work_ends_at_once_with_its_parent(
    program: str, workers: int, killed_by: signal.Signals
) -> None:
    parent = subprocess.Popen(
        [sys.executable, "-c", program],
        cwd=ROOT,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        preexec_fn=heed_interrupts,
    )
    assert parent.stdout is not None
    at_work = {int(parent.stdout.readline()) for _ in range(workers)}
    assert all(map(is_running, at_work))
    parent.send_signal(killed_by)
    assert parent.wait(10) == -killed_by
    parent.stdout.close()
    assert_ended(at_work)


def test_an_own_process_returns_what_the_function_does() -> None:
    text = bytes(100_000)
    mine = os.getpid()
    assert in_own_process(lambda: (os.getpid() != mine, text), "") == (True, text)


def test_an_own_process_that_fails_is_one_sentence() -> None:
    with pytest.raises(UserError, match=r"^a worker .* -9: if memory ran out, pray$"):
        in_own_process(lambda: os.kill(os.getpid(), signal.SIGKILL), "pray")
    with pytest.raises(ValueError, match="a mistake"):
        in_own_process(lambda: int("a mistake"), "")


def test_cores_are_those_this_process_may_use() -> None:
    assert available_cores() == len(os.sched_getaffinity(0))


def test_an_interrupt_before_a_worker_begins_does_not_end_it(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Ctrl-C reaches a child in the moment after its birth too, when it is still a copy of us."""
    bootstrap = multiprocessing.process.BaseProcess._bootstrap

    def interrupted(self: Any, *args: Any, **kwargs: Any) -> Any:
        os.kill(os.getpid(), signal.SIGINT)
        return bootstrap(self, *args, **kwargs)

    monkeypatch.setattr(multiprocessing.process.BaseProcess, "_bootstrap", interrupted)
    assert [*ordered_map(str.upper, ["a", "b"], 2)] == ["A", "B"]
