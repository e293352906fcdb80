"""How fairseq's commands start on several workers, by torchrun or their own spawning; and end.

fairseq does both on machines with GPUs only.  On CPUs torchrun would start as many trainings as
processes, all into one folder, and its own spawning none at all.
"""

from __future__ import annotations

import logging
import os
import random
import socket
import time
from collections.abc import Callable
from contextlib import nullcontext
from typing import Any

import torch
import torch.distributed as dist
from fairseq.distributed import utils as distributed_utils

from moe_nmt.distributed import is_one_of_many
from moe_nmt.errors import UserError
from moe_nmt.training.stopping import passing_on

logger = logging.getLogger(__name__)

# How long a worker that stops for another one's reason waits, so that the reason is heard first.
SECONDS_TO_WAIT = 3.0


def start(
    cfg: Any, main: Callable[..., None], kwargs: dict[str, Any], on_gpus: Callable[..., None]
) -> None:
    """Starts a command: this process as a worker, or all workers as its children.

    Args:
        cfg: fairseq's configuration.
        main: what each worker does with it.
        kwargs: and with these.
        on_gpus: fairseq's own way to start ``main``, which does for GPUs and for a single worker.

    Raises:
        UserError: a child has stopped.
    """
    on_cpu = cfg.common.cpu or not torch.cuda.is_available()
    settings = cfg.distributed_training
    use_environment(settings)
    is_alone = settings.distributed_world_size == 1 or settings.distributed_no_spawn
    signals: list[int] = []  # passed on to children
    try:
        with nullcontext(signals) if is_alone else passing_on() as signals:
            if on_cpu and settings.distributed_world_size > 1:
                start_on_cpu(cfg, main, kwargs)
            else:
                on_gpus(cfg, main, **kwargs)
    except torch.multiprocessing.ProcessRaisedException as error:
        raise UserError(str(error)) from error
    except torch.multiprocessing.ProcessExitedException as error:
        if signals:
            raise SystemExit(128 + signals[0]) from error
        raise UserError(
            f"{error.msg}: worker {error.error_index} has stopped, and all others "
            "with it; its own message, if it had time for one, stands above"
        ) from error


def launched_workers() -> int:
    """How many processes torchrun started; 1 without it."""
    if {"RANK", "MASTER_ADDR", "MASTER_PORT"} <= os.environ.keys():
        return int(os.environ.get("WORLD_SIZE", 1))
    return 1


def use_environment(settings: Any) -> None:
    """Takes the number of workers, and which of them this is, from torchrun."""
    if launched_workers() > 1 and settings.distributed_init_method is None:
        settings.distributed_init_method = "env://"
        settings.distributed_world_size = launched_workers()
        settings.distributed_rank = int(os.environ["RANK"])
        settings.device_id = int(os.environ.get("LOCAL_RANK", 0))
        settings.distributed_no_spawn = True


def start_on_cpu(cfg: Any, main: Callable[..., None], kwargs: dict[str, Any]) -> None:
    """``start`` on CPUs, for several workers."""
    settings = cfg.distributed_training
    settings.distributed_backend = "gloo"
    if settings.distributed_no_spawn:
        distributed_utils.distributed_main(settings.device_id, main, cfg, kwargs)
        return
    if settings.distributed_init_method is not None:
        raise UserError(
            "on CPUs --distributed-init-method would train nothing: leave it out, or for "
            "several machines start the workers with torchrun --nnodes N --nproc_per_node M "
            "--rdzv_backend c10d --rdzv_endpoint HOST:PORT $(which fairseq-train) ..."
        )
    port = random.SystemRandom().randint(10000, 60000)
    settings.distributed_init_method = f"tcp://localhost:{port}"
    settings.distributed_rank = None  # each child takes its own
    torch.multiprocessing.spawn(
        distributed_utils.distributed_main,
        (main, cfg, {**kwargs, "start_rank": 0}),
        nprocs=settings.distributed_world_size,
    )


def stopping_together(main: Callable[..., None], cfg: Any, **kwargs: Any) -> None:
    """Runs a command on this worker; whatever stops one ends all, the reason first.

    A worker that has lost another, or that says what the first one says, waits for its launcher to
    end it.

    Raises:
        UserError: why this worker stops, where it is one of many.
    """
    try:
        main(cfg, **kwargs)
    except (UserError, SystemExit):
        if is_one_of_many() and dist.get_rank() > 0:
            time.sleep(SECONDS_TO_WAIT)
        raise
    except Exception as error:
        if not is_one_of_many():
            raise
        worker = f"worker {dist.get_rank()} on {socket.gethostname()}"
        if lost_another(error):
            time.sleep(SECONDS_TO_WAIT)
            raise UserError(
                f"{worker} stops because another worker is gone: see that one's message"
            ) from error
        if getattr(error, "caused_elsewhere", False):
            time.sleep(SECONDS_TO_WAIT)
        logger.exception("%s", worker)
        message = "; ".join([f"{type(error).__name__}: {error}", *getattr(error, "__notes__", [])])
        raise UserError(f"{worker}: {message}") from error


def lost_another(error: BaseException) -> bool:
    """Whether an error says that communication broke off."""
    signs = ("gloo", "NCCL", "Connection closed by peer", "Connection reset by peer")
    return isinstance(error, RuntimeError) and any(sign in str(error) for sign in signs)


def refuse_lone_worker(command: str, workers: int) -> None:
    """Stops one of torchrun's processes that takes itself for the only one.

    Args:
        command: what should have been run.
        workers: how many workers the process knows of.
    """
    if workers == 1 and launched_workers() > 1 and not dist.is_initialized():
        raise UserError(
            f"torchrun started {launched_workers()} processes, but each works as if it "
            f"were alone and would write what the others write: {command}"
        )
