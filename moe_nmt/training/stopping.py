"""Ctrl-C, or SIGTERM as clusters send it before they kill: a training saves where it is and ends.

fairseq dies of both at once, with a trace, and the epoch is lost.
"""

from __future__ import annotations

import logging
import multiprocessing
import os
import signal
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from types import FrameType
from typing import Any

import torch.distributed as dist
from fairseq import checkpoint_utils

from moe_nmt.distributed import is_one_of_many

logger = logging.getLogger(__name__)

STOPS = (signal.SIGINT, signal.SIGTERM)
SAME = 1.0  # seconds: a terminal and a launcher may both pass on one Ctrl-C

Handler = Callable[[int, FrameType | None], None]


@contextmanager
def handled(handler: Handler) -> Iterator[None]:
    """Handles both signals so, but those that are ignored, as in a shell's background jobs."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    heeded = [number for number in STOPS if signal.getsignal(number) is not signal.SIG_IGN]
    before = {number: signal.signal(number, handler) for number in heeded}
    try:
        yield
    finally:
        for number, old in before.items():
            signal.signal(number, old)


class Stopping:
    """Notes the first signal that asks this worker to stop; a second one ends it at once."""

    def __init__(self) -> None:
        self.received = 0
        self.since = 0.0
        self.process = os.getpid()
        self.heeding = ExitStack()

    def begin(self) -> None:
        """Heeds signals from now on, until ``end``."""
        self.heeding.enter_context(handled(self.note))

    def end(self) -> None:
        """Signals do again what they did before."""
        self.heeding.close()

    def note(self, number: int, frame: FrameType | None) -> None:
        """The handler."""
        if os.getpid() != self.process:  # a process that loads data, which inherits it
            if number == signal.SIGTERM:
                os._exit(128 + number)
            return
        now = time.monotonic()
        if self.received and now - self.since < SAME:
            return
        if self.received:
            raise SystemExit(128 + number)
        self.received, self.since = number, now
        # no logging here: what is interrupted may be writing to the log
        name = signal.Signals(number).name
        os.write(2, f"moe_nmt: {name}: saving after this update; once more: at once\n".encode())

    def counts(self) -> list[int]:
        """For each signal 1 where it was received; added up over all workers."""
        return [int(self.received == number) for number in STOPS]


def agreed(counts: Sequence[float]) -> int:
    """The signal that some workers have received, the stronger one where they differ; or 0."""
    return max((number for number, count in zip(STOPS, counts, strict=True) if count), default=0)


def save_and_stop(cfg: Any, trainer: Any, epoch_itr: Any, number: int) -> None:
    """Saves a checkpoint in the middle of an epoch, on all workers at once, and ends.

    Args:
        cfg: fairseq's options of checkpoints.
        trainer: on this worker.
        epoch_itr: where in the epoch it is.
        number: of the signal.
    """
    checkpoint_utils.save_checkpoint(cfg, trainer, epoch_itr, None)
    if is_one_of_many():
        dist.barrier()  # a launcher ends the others when the first one has ended
    name, updates = signal.Signals(number).name, trainer.get_num_updates()
    if cfg.no_save or cfg.no_last_checkpoints:
        logger.warning("moe_nmt: %s after update %d; nothing is saved, as asked for", name, updates)
    else:
        logger.info(
            "moe_nmt: %s after update %d: saved in %s; the same command goes on from there",
            name,
            updates,
            cfg.save_dir,
        )
    raise SystemExit(128 + number)


@contextmanager
def passing_on() -> Iterator[list[int]]:
    """Passes the signals to this process on to its children; yields those that came."""
    received: list[int] = []

    def pass_on(number: int, frame: FrameType | None) -> None:
        received.append(number)
        for child in multiprocessing.active_children():
            if child.pid is not None:
                os.kill(child.pid, number)

    with handled(pass_on):
        yield received
