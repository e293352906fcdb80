"""Checkpoints of the version before this one translate as they did, and their training goes on."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from commands import PLUGIN, run_here
from fairseq import checkpoint_utils
from fairseq_cli import train
from fairseq_workers import train_on_worker
from worker_pool import WorkerPool

from moe_nmt.checkpoints import parts, parts_of_torch
from moe_nmt.checkpoints.consolidate import consolidate
from moe_nmt.checkpoints.shards import KEY

STORED = Path(__file__).parent / "stored"
WHOLE = STORED / "whole.pt"
SHARDS = STORED / "shards" / "checkpoint.pt"
UPDATES = 300  # of both
# Those they were trained with.
OPTIONS = [
    *("--arch", "gnmt_moe_tiny", "--model-dim", "8", "--lstm-cells", "8", "--attention-dim", "8"),
    *("--experts", "4", "--expert-hidden", "6", "--decoder-moe-after", "1,2", "--dropout", "0"),
    *("--criterion", "balanced_cross_entropy", "--optimizer", "fused_adam", "--lr", "0.02"),
    *("--lr-scheduler", "fixed", "--max-tokens", "500"),
]
SHARDED = "--sharded-checkpoints"
Pool = Callable[[int], WorkerPool]


def translations(lines: list[str]) -> dict[str, tuple[float, str]]:
    """Score and text by sentence."""
    fields = (line.split("\t") for line in lines if line.startswith("H-"))
    return {number: (float(score), text) for number, score, text in fields}


@pytest.fixture(scope="module")
def consolidated(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """One file of the shards."""
    output = tmp_path_factory.mktemp("consolidated") / "one.pt"
    consolidate(SHARDS, output)
    return output


@pytest.mark.parametrize("name", ["whole", "shards"])
def test_they_translate_as_they_did(name: str, consolidated: Path) -> None:
    path = WHOLE if name == "whole" else consolidated
    search = ["--beam", "4", "--max-len-b", "20", "--coverage-penalty-beta", "0"]
    data = [STORED / "data", "--source-lang", "en", "--target-lang", "de"]
    found = translations(run_here("generate", *data, *PLUGIN, "--path", path, *search).splitlines())
    expected = translations((STORED / f"{name}.txt").read_text(encoding="utf-8").splitlines())
    assert len(expected) == 12
    assert found.keys() == expected.keys()
    for number, (score, text) in expected.items():
        assert found[number] == (pytest.approx(score, abs=1e-3), text)


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Data to go on with: the stored test set is all there is."""
    folder = tmp_path_factory.mktemp("data")
    for file in (STORED / "data").iterdir():
        shutil.copy(file, folder)
        for split in ("train", "valid"):
            if file.name.startswith("test"):
                shutil.copy(file, folder / file.name.replace("test", split))
    return folder


def save_at_once(cfg: Any, trainer: Any, task: Any, iterator: Any) -> tuple[list[float], bool]:
    """Instead of an epoch: saves what was loaded, and ends the training."""
    iterator.next_epoch_itr()  # at whose beginning it is
    checkpoint_utils.save_checkpoint(cfg.checkpoint, trainer, iterator, 1.0)
    return [1.0], True


def train_here(rank: int, world: int, arguments: list[str], at_once: bool) -> None:
    """Trains on one worker of so many."""
    with pytest.MonkeyPatch.context() as patch:
        if at_once:
            patch.setattr(train, "train", save_at_once)
        if world == 1:
            run_here("train", *arguments)
        else:
            train_on_worker(rank, world, arguments)


def resumed(
    pool: Pool, world: int, data: Path, folder: Path, checkpoint: Path, *options: str
) -> dict[str, Any]:
    """Goes on from a checkpoint, up to an update or not at all; the checkpoint then."""
    arguments = [str(data), "--save-dir", str(folder), "--restore-file", str(checkpoint)]
    arguments += [*PLUGIN, *OPTIONS, "--reset-dataloader", "--no-epoch-checkpoints", *options]
    job = (world, arguments, "--max-update" not in options)
    if world == 1:
        train_here(0, *job)
    else:
        pool(world).run(train_here, *job)
    state: dict[str, Any] = torch.load(folder / "checkpoint_last.pt", weights_only=True)
    return state


def assert_same_state(state: dict[str, Any], expected: dict[str, Any]) -> None:
    """Model and optimizer are the same, bit for bit."""
    assert state["optimizer_history"][-1]["num_updates"] == UPDATES
    torch.testing.assert_close(state["model"], expected["model"], rtol=0, atol=0)
    moments, before = (each["last_optimizer_state"]["state"] for each in (state, expected))
    torch.testing.assert_close(moments, before, rtol=0, atol=0)
    assert all(of["exp_avg"].any() for of in before.values())


@pytest.mark.distributed
@pytest.mark.parametrize("world", [1, 2])
def test_shards_are_loaded_and_saved_in_the_format_of_today(
    pool: Pool, data: Path, tmp_path: Path, consolidated: Path, world: int
) -> None:
    state = resumed(pool, world, data, tmp_path, SHARDS, SHARDED)
    files = {path.name for path in (tmp_path / state[KEY]).iterdir()}
    assert files == {parts.CATALOGUE, *(f"worker{rank}.safetensors" for rank in range(world))}
    assert (SHARDS.parent / torch.load(SHARDS)[KEY] / parts_of_torch.CATALOGUE).exists()
    consolidate(tmp_path / "checkpoint_last.pt", tmp_path / "one.pt")
    assert_same_state(torch.load(tmp_path / "one.pt"), torch.load(consolidated))


@pytest.mark.distributed
@pytest.mark.parametrize("world", [1, 2])
def test_the_whole_file_is_loaded_and_saved_as_it_was(
    pool: Pool, data: Path, tmp_path: Path, world: int
) -> None:
    assert_same_state(resumed(pool, world, data, tmp_path, WHOLE), torch.load(WHOLE))


@pytest.mark.distributed
@pytest.mark.parametrize("world", [1, 2])
@pytest.mark.parametrize("checkpoint", [WHOLE, SHARDS])
def test_training_goes_on(
    pool: Pool, data: Path, tmp_path: Path, checkpoint: Path, world: int
) -> None:
    for updates in (UPDATES + 1, UPDATES + 3):
        options = [SHARDED, "--max-update", str(updates)]
        state = resumed(pool, world, data, tmp_path, checkpoint, *options)
        assert state["optimizer_history"][-1]["num_updates"] == updates
        assert (tmp_path / state[KEY] / parts.CATALOGUE).exists()
        checkpoint = tmp_path / "checkpoint_last.pt"  # in the format of today
