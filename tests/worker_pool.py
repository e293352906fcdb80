"""Processes that wait for functions to run together, so that many tests share one start."""

from __future__ import annotations

import itertools
import multiprocessing
import tempfile
import traceback
from collections.abc import Callable
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any

import torch
import torch.distributed as dist
from fairseq.distributed.utils import get_global_group

SECONDS = 300  # after which a test that hangs has failed


def serve(rank: int, world: int, rendezvous: str, jobs: Connection) -> None:
    """A worker: runs what it is told until its pipe closes.

    Each job has process groups of its own: every group left over keeps a thread of gloo's awake.
    """
    torch.set_num_threads(1)
    for job in itertools.count():
        try:
            function, arguments = jobs.recv()
        except EOFError:
            return
        dist.init_process_group("gloo", f"file://{rendezvous}{job}", rank=rank, world_size=world)
        try:
            result = (True, function(rank, *arguments))
        except BaseException:
            result = (False, traceback.format_exc())
        dist.destroy_process_group()
        vars(get_global_group).clear()  # where fairseq remembers its own
        jobs.send(result)


class WorkerPool:
    """So many gloo processes on this machine."""

    def __init__(self, world: int) -> None:
        context = multiprocessing.get_context("forkserver")
        context.set_forkserver_preload(["fairseq_cli.train", "moe_nmt.plugin"])
        self.folder = tempfile.TemporaryDirectory()
        rendezvous = str(Path(self.folder.name) / "rendezvous")
        self.pipes, self.processes = [], []
        for rank in range(world):
            pipe, theirs = context.Pipe()
            process = context.Process(
                target=serve, args=(rank, world, rendezvous, theirs), daemon=True
            )
            process.start()
            theirs.close()
            self.pipes.append(pipe)
            self.processes.append(process)

    def run(self, function: Callable[..., Any], *arguments: Any) -> list[Any]:
        """Calls function(rank, *arguments) on every worker; the results, or the first error."""
        for pipe in self.pipes:
            pipe.send((function, arguments))
        results = []
        for rank, pipe in enumerate(self.pipes):
            assert pipe.poll(SECONDS), f"worker {rank} hangs"
            done, result = pipe.recv()
            assert done, f"worker {rank}: {result}"
            results.append(result)
        return results

    def close(self) -> None:
        """Ends the processes."""
        for pipe in self.pipes:
            pipe.close()
        for process in self.processes:
            process.join(5)
            process.kill()
        self.folder.cleanup()
