"""Importing the package does nothing to fairseq; --user-dir registers it, whoever came first."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest
from commands import ROOT, run, training


def said(program: str, cwd: Path = ROOT) -> str:
    """What a new Python prints."""
    done = subprocess.run(
        [sys.executable, "-c", program], cwd=cwd, capture_output=True, text=True, timeout=300
    )
    assert done.returncode == 0, done.stderr
    return done.stdout.strip()


UNCHANGED = """
import fairseq.checkpoint_utils, fairseq.distributed.utils, fairseq.file_io, fairseq.models
import fairseq.options, fairseq.tasks, fairseq.trainer, fairseq.utils, fairseq_cli.train
import argparse, torch

def state():
    owners = [
        fairseq.checkpoint_utils, fairseq.distributed.utils, fairseq.file_io.PathManager,
        fairseq.models, fairseq.options, fairseq.trainer.Trainer, fairseq.utils, fairseq_cli.train,
    ]
    registries = [fairseq.models.MODEL_REGISTRY, fairseq.tasks.TASK_REGISTRY]
    safe = argparse.Namespace in torch.serialization.get_safe_globals()
    return [dict(vars(owner)) for owner in owners], [set(names) for names in registries], safe

before = state()
import moe_nmt, moe_nmt.moe, moe_nmt.modules.stack, moe_nmt.distributed
print(state() == before)
import moe_nmt.plugin
print(state() == before)
"""


def test_the_layer_changes_nothing_of_fairseqs() -> None:
    assert said(UNCHANGED).splitlines()[-2:] == ["True", "False"]


REGISTERED = """
from argparse import Namespace
import fairseq.utils, fairseq.tasks, fairseq.models
import {first}
fairseq.utils.import_user_module(Namespace(user_dir={user_dir!r}))
print("expert_parallel_translation" in fairseq.tasks.TASK_REGISTRY, end=" ")
print("gnmt_moe_tiny" in fairseq.models.ARCH_MODEL_REGISTRY, end=" ")
print("fused_adam" in __import__("fairseq.optim").optim.OPTIMIZER_REGISTRY)
"""


@pytest.mark.parametrize(
    ("first", "user_dir"),
    [
        ("sys", "moe_nmt"),
        ("moe_nmt", str(ROOT / "moe_nmt")),
        ("moe_nmt.moe", "moe_nmt"),
        ("moe_nmt.plugin", str(ROOT / "moe_nmt")),
    ],
)
def test_a_user_dir_registers_whatever_was_imported_before(first: str, user_dir: str) -> None:
    program = REGISTERED.format(first=first, user_dir=user_dir)
    assert said(program).splitlines()[-1] == "True True True"


def test_another_folder_of_that_name_is_refused(tmp_path: Path) -> None:
    (tmp_path / "moe_nmt").mkdir()
    program = REGISTERED.format(first="moe_nmt", user_dir=str(tmp_path / "moe_nmt"))
    done = subprocess.run([sys.executable, "-c", program], cwd=ROOT, capture_output=True, text=True)
    assert "is not globally unique" in done.stderr


@pytest.mark.distributed
def test_the_installed_package_is_found_from_any_folder_on_several_workers(
    binarised: Path, tmp_path: Path
) -> None:
    """Spawned workers import it by name before fairseq asks them for their --user-dir."""
    options = ["--disable-validation", "--max-update", "1", "--distributed-world-size", "2"]
    done = run("fairseq-train", *training(binarised, tmp_path / "out", *options), cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    assert (tmp_path / "out" / "checkpoint_last.pt").is_file()


@pytest.mark.distributed
@pytest.mark.parametrize("workers", [1, 2])
def test_hydra_trains_on_workers_too(binarised: Path, tmp_path: Path, workers: int) -> None:
    sizes = ["model_dim", "lstm_cells", "attention_dim", "expert_hidden"]
    done = run(
        *("fairseq-hydra-train", "--config-dir", ROOT / "configs", "--config-name"),
        *("gnmt_moe_tiny", f"task.data={binarised}", f"checkpoint.save_dir={tmp_path / 'out'}"),
        *("common.cpu=true", f"distributed_training.distributed_world_size={workers}"),
        *(f"model.{size}=16" for size in sizes),
        *("optimization.max_update=2", "dataset.disable_validation=true"),
        cwd=tmp_path,
    )
    assert done.returncode == 0, done.stderr
    assert (tmp_path / "out" / "checkpoint_last.pt").is_file()
    assert ("mb_sent" in done.stdout + done.stderr) == (workers > 1)
