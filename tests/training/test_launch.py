"""A wrong launch is refused with the right command; what ends one worker ends all."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any
from unittest import mock

import pytest
import torch
from commands import ROOT, run, run_here, train_here, training
from fairseq_workers import train_on_worker
from worker_pool import WorkerPool

from moe_nmt.criterions.balanced_cross_entropy import BalancedCrossEntropy
from moe_nmt.errors import UserError
from moe_nmt.tasks.expert_parallel_translation import ExpertParallelTranslationTask
from moe_nmt.training import launch

pytestmark = pytest.mark.distributed

Pool = Callable[[int], WorkerPool]
BRIEF = ["--disable-validation", "--no-epoch-checkpoints"]
TORCHRUN = {"RANK": "1", "WORLD_SIZE": "2", "MASTER_ADDR": "localhost", "MASTER_PORT": "0"}


def test_an_address_alone_would_train_nothing_on_cpus(binarised: Path, tmp_path: Path) -> None:
    options = ["--distributed-world-size", "2", "--distributed-init-method", "tcp://localhost:1"]
    with pytest.raises(SystemExit, match=r"would train nothing.*torchrun --nnodes N"):
        run_here("train", *training(binarised, tmp_path, *options))
    assert not list(tmp_path.iterdir())


def test_a_process_of_torchruns_that_takes_itself_for_the_only_one_stops() -> None:
    """As fairseq-hydra-train, which reads no environment on CPUs, and fairseq-generate do."""
    task = mock.Mock(spec=ExpertParallelTranslationTask)
    with mock.patch.dict(os.environ, TORCHRUN):
        with pytest.raises(UserError, match=r"torchrun started 2 .*\$\(which fairseq-train\)"):
            ExpertParallelTranslationTask.build_model(task, None)
        with pytest.raises(UserError, match="--results-path of its own"):
            ExpertParallelTranslationTask.get_batch_iterator(task, None, num_shards=1)
        launch.refuse_lone_worker("", workers=2)
    launch.refuse_lone_worker("", workers=1)


def outcome(rank: int, arguments: list[str], nan_at: int | None = None) -> str:
    """How a worker's training ended; worker 1's loss is NaN in that batch."""
    calls, forward = 0, BalancedCrossEntropy.forward

    def broken(self: Any, *args: Any, **kwargs: Any) -> Any:
        nonlocal calls
        calls += 1
        loss, size, log = forward(self, *args, **kwargs)
        if rank == 1 and calls == nan_at:
            loss, log["nll_loss"] = loss * torch.nan, log["nll_loss"] * torch.nan
        return loss, size, log

    with (
        mock.patch.object(BalancedCrossEntropy, "forward", broken),
        mock.patch.object(launch, "SECONDS_TO_WAIT", 0.0),
    ):
        try:
            train_on_worker(rank, 2, arguments)
        except SystemExit as stop:
            return str(stop.code)
    return "done"


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["--expert-parallel-size", "3"], "--expert-parallel-size: 2 workers cannot be divided"),
        (
            ["--experts", "1", "--k", "1", "--expert-parallel-size", "2"],
            "1 experts cannot be divided among 2 workers",
        ),
        (["--store-ema"], "--store-ema does not work on several workers"),
        (
            ["--task", "translation", "--left-pad-source"],
            "use --task expert_parallel_translation, or one worker",
        ),
    ],
)
def test_what_cannot_be_trained_on_several_workers_is_refused(
    pool: Pool, binarised: Path, tmp_path: Path, options: list[str], message: str
) -> None:
    arguments = training(binarised, tmp_path, *BRIEF, "--max-update", "1", *options)
    for answer in pool(2).run(outcome, arguments):
        assert message in answer
        assert answer.startswith("moe_nmt: ")


def test_nan_on_one_worker_ends_all_and_the_batches_are_saved(
    pool: Pool, binarised: Path, tmp_path: Path
) -> None:
    arguments = training(binarised, tmp_path, *BRIEF, "--max-update", "9")
    answers = pool(2).run(outcome, arguments, 3)
    for rank, answer in enumerate(answers):
        file = tmp_path / f"failed_batch.worker{rank}.pt"
        assert answer.startswith(f"moe_nmt: worker {rank} on ")
        assert "FloatingPointError" in answer
        assert f"update 2, and its batch is in {file}" in answer
        assert ("own batch is nan" in answer) == (rank == 1)
        saved = torch.load(file, weights_only=True)
        assert saved["update"] == 2
        assert saved["samples"][0]["nsentences"] > 0
    assert not (tmp_path / "crash.pt").exists()


DIES_WHILE_SAVING = """
import io, os, signal
import torch
from fairseq_cli.train import cli_main

save, saved = torch.save, []

def save_and_die(state, file):
    saved.append(1)
    if len(saved) < 2:
        return save(state, file)
    whole = io.BytesIO()
    save(state, whole)
    file.write(whole.getvalue()[: len(whole.getvalue()) // 2])
    file.flush()
    os.kill(os.getpid(), signal.SIGKILL)

if os.environ["RANK"] == "0":
    torch.save = save_and_die
cli_main()
"""


def test_a_worker_killed_while_saving_ends_all_and_the_previous_checkpoint_stays(
    binarised: Path, tmp_path: Path
) -> None:
    script, folder = tmp_path / "dies.py", tmp_path / "checkpoints"
    script.write_text(DIES_WHILE_SAVING)
    options = [*BRIEF, "--save-interval-updates", "2", "--keep-interval-updates", "5"]
    arguments = training(binarised, folder, *options, "--max-update", "1000")
    torchrun = [str(Path(sys.executable).with_name("torchrun")), "--nproc_per_node", "2"]
    process = subprocess.Popen(
        [*torchrun, str(script), *arguments],
        cwd=ROOT,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        stderr=subprocess.PIPE,
        stdout=subprocess.DEVNULL,
        text=True,
    )
    half = folder / "checkpoint_1_4.pt.tmp"
    for _ in range(600):
        if half.exists() or process.poll() is not None:
            break
        time.sleep(0.1)
    _, errors = process.communicate(timeout=60)  # 4 s on a machine that does nothing else
    assert process.returncode != 0
    root_cause = errors.partition("Root Cause")[2]
    assert "(local_rank: 0)" in root_cause
    assert "SIGKILL" in root_cause
    last = folder / "checkpoint_last.pt"
    assert torch.load(last)["optimizer_history"][-1]["num_updates"] == 2
    shutil.copytree(folder, tmp_path / "resumed")
    train_here(binarised, tmp_path / "resumed", *BRIEF, "--max-update", "3")
    resumed = torch.load(tmp_path / "resumed" / "checkpoint_last.pt")
    assert resumed["optimizer_history"][-1]["num_updates"] == 3


def test_fairseq_starts_the_workers_itself(binarised: Path, tmp_path: Path) -> None:
    options = [*BRIEF, "--max-update", "2", "--distributed-world-size", "2"]
    done = run("fairseq-train", *training(binarised, tmp_path, *options))
    assert done.returncode == 0, done.stderr
    model = torch.load(tmp_path / "checkpoint_last.pt")["model"]
    experts = [weight for name, weight in model.items() if name.endswith("experts.w_in")]
    assert [len(weight) for weight in experts] == [4, 4]
