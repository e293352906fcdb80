"""fairseq-train --sharded-checkpoints: the same training; a save cut short harms nothing."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from commands import PLUGIN, ROOT, SHORT, hypotheses, run_here, train_here, training
from fairseq import checkpoint_utils
from fairseq.file_io import PathManager
from fairseq_workers import (
    UPDATES,
    assert_same_training,
    train_on,
    train_on_worker,
    trained,
)
from worker_pool import WorkerPool

from moe_nmt.checkpoints import parts, shards
from moe_nmt.checkpoints.shards import FOLDER, KEY, remove_unnamed_experts
from moe_nmt.cli import average, consolidate, inspect
from moe_nmt.training import hooks, launch

Pool = Callable[[int], WorkerPool]
SHARDED = "--sharded-checkpoints"
HIERARCHICAL = ["--expert-groups", "2", "--k", "2"]
BRIEF = ["--disable-validation", "--no-epoch-checkpoints"]


def stops(function: Callable[..., Any], *arguments: Any) -> str:
    """The one sentence with which a command stops."""
    with pytest.raises(SystemExit) as stopped:
        function(*arguments)
    assert isinstance(stopped.value.code, str)
    assert stopped.value.code.startswith("moe_nmt: ")
    return stopped.value.code


def load(path: Path) -> dict[str, Any]:
    state: dict[str, Any] = torch.load(path, weights_only=True)
    return state


def updates(state: dict[str, Any]) -> int:
    count: int = state["optimizer_history"][-1]["num_updates"]
    return count


def folders(folder: Path) -> set[str]:
    """The folders of experts in a folder of checkpoints."""
    return {path.name for path in folder.iterdir() if FOLDER.fullmatch(path.name)}


def named(folder: Path) -> set[str]:
    """Those that the checkpoints there name."""
    return {load(path)[KEY] for path in folder.glob("*.pt")}


def consolidated(checkpoint: Path, *options: str) -> dict[str, Any]:
    """One file of a checkpoint in shards."""
    output = checkpoint.with_name("one.pt")
    consolidate.main([str(checkpoint), "--output", str(output), *options])
    state = load(output)
    output.unlink()
    return state


@pytest.mark.distributed
def test_training_moves_between_numbers_of_workers(
    pool: Pool, binarised: Path, tmp_path: Path, alone: dict[str, Any]
) -> None:
    for world, update, size in [(2, 2, 2), (4, 3, 2), (1, 5, 0), (4, 6, 4), (2, UPDATES, 1)]:
        more = [SHARDED, "--expert-parallel-size", str(size)]
        state = trained(pool, world, binarised, tmp_path, update, *more)
        assert not any("experts" in name for name in state["model"])
        assert state[KEY] in folders(tmp_path) == named(tmp_path)
    assert_same_training(consolidated(tmp_path / "checkpoint_last.pt"), alone)


@pytest.mark.distributed
def test_shards_and_whole_files_follow_each_other(
    pool: Pool, binarised: Path, tmp_path: Path
) -> None:
    expected = trained(pool, 1, binarised, tmp_path / "alone", 5, *HIERARCHICAL)
    for world, update, more in [(1, 1, []), (2, 2, [SHARDED]), (1, 5, [])]:
        state = trained(pool, world, binarised, tmp_path / "moved", update, *HIERARCHICAL, *more)
    assert_same_training(state, expected)
    assert not folders(tmp_path / "moved")


@pytest.fixture(scope="module")
def pair(pool: Pool, binarised: Path, tmp_path_factory: pytest.TempPathFactory) -> dict[bool, Path]:
    """The last checkpoints of the same training on two workers, in shards and not."""
    found = {}
    for sharded in (False, True):
        folder = tmp_path_factory.mktemp("sharded" if sharded else "whole")
        trained(pool, 2, binarised, folder, 3, *([SHARDED] if sharded else []))
        found[sharded] = folder / "checkpoint_last.pt"
    return found


@pytest.mark.distributed
def test_consolidated_it_is_the_ordinary_checkpoint(pair: dict[bool, Path]) -> None:
    whole, one = load(pair[False]), consolidated(pair[True])
    assert one.keys() == whole.keys()
    for part in ("model", "last_optimizer_state"):
        torch.testing.assert_close(one[part], whole[part], rtol=0, atol=0)
    assert one["task_state"] == whole["task_state"]
    assert one["extra_state"]["train_iterator"] == whole["extra_state"]["train_iterator"]
    model_only = consolidated(pair[True], "--model-only")
    assert model_only.keys() == whole.keys() - {"last_optimizer_state"}
    torch.testing.assert_close(model_only["model"], whole["model"], rtol=0, atol=0)
    assert not [path for path in pair[True].parent.iterdir() if path.name.startswith("one")]


@pytest.mark.distributed
def test_the_whole_file_is_what_other_commands_read(
    pair: dict[bool, Path], binarised: Path, tmp_path: Path
) -> None:
    one = tmp_path / "one.pt"
    consolidate.main([str(pair[True]), "--output", str(one), "--model-only"])

    def translations(path: Path) -> dict[int, str]:
        options = ["--path", path, "--beam", 2, *SHORT]
        return hypotheses(run_here("generate", binarised, *PLUGIN, *options))

    assert translations(one) == translations(pair[False])
    average.main([str(one), str(pair[False]), "--output", str(tmp_path / "average.pt")])
    averaged = load(tmp_path / "average.pt")["model"]
    torch.testing.assert_close(averaged, load(one)["model"], rtol=0, atol=0)
    sentence = (
        f"moe_nmt: {pair[True]} has its experts in the folder {load(pair[True])[KEY]}: make one "
        f"file of both with moe-nmt-consolidate {pair[True]} --output FILE"
    )
    assert stops(translations, pair[True]) == sentence
    validation = [binarised, *PLUGIN, "--max-tokens", 500, "--path", pair[True]]
    assert stops(run_here, "validate", *validation) == sentence
    assert stops(inspect.main, [str(pair[True]), str(binarised)]) == sentence
    output = ["--output", str(tmp_path / "x.pt")]
    assert stops(average.main, [str(pair[True]), *output]) == sentence
    assert "is one file already" in stops(consolidate.main, [str(one), *output])
    assert "does not exist" in stops(consolidate.main, [str(tmp_path / "none.pt"), *output])
    inside = ["--output", str(one / "x.pt")]
    assert f"cannot write {one / 'x.pt'}: " in stops(consolidate.main, [str(pair[True]), *inside])


def in_shards(data: Path, folder: Path, update: int, *more: str) -> dict[str, Any]:
    """Trains on one worker; returns the last checkpoint."""
    return load(train_here(data, folder, *BRIEF, SHARDED, "--max-update", str(update), *more))


EACH_UPDATE = ["--save-interval-updates", "1", "--keep-interval-updates", "1"]


@pytest.fixture(scope="module")
def after_two(binarised: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The checkpoints of a training of two updates on one worker."""
    folder = tmp_path_factory.mktemp("two")
    in_shards(binarised, folder, 2, *EACH_UPDATE)
    return folder


@pytest.fixture
def two(after_two: Path, tmp_path: Path) -> Path:
    """A copy of them to go on with, or to spoil."""
    return shutil.copytree(after_two, tmp_path / "two")


SHARD = "worker0.safetensors"


def flip_the_last_byte(file: Path) -> None:
    content = bytearray(file.read_bytes())
    content[-1] ^= 1
    file.write_bytes(content)


STILL = ["--lr", "1e-9", "--weight-decay", "0"]


@pytest.mark.parametrize("option", ["--reset-optimizer", "--finetune-from-model", "--restore-file"])
def test_the_optimizers_state_can_be_left_behind_or_out(
    binarised: Path, two: Path, tmp_path: Path, option: str
) -> None:
    source = two / "checkpoint_last.pt"
    before = consolidated(source)["model"]
    folder, more = tmp_path / "second", [option, str(source), "--no-save-optimizer-state"]
    if option == "--reset-optimizer":
        folder, more = two, [option]
    last = in_shards(binarised, folder, 3 if option == "--restore-file" else 1, *STILL, *more)
    assert last[KEY] in folders(folder) == named(folder)
    assert last[KEY] != load(source)[KEY] or folder == two
    one = consolidated(folder / "checkpoint_last.pt")
    torch.testing.assert_close(one["model"], before, rtol=1e-4, atol=1e-6)
    assert ("last_optimizer_state" in one) == (option == "--reset-optimizer")
    if option == "--reset-optimizer":
        assert {float(of["step"]) for of in one["last_optimizer_state"]["state"].values()} == {1.0}


@pytest.mark.parametrize(
    ("damage", "told"),
    [
        (shutil.rmtree, "catalogue.json: No such file or directory"),
        (lambda folder: (folder / SHARD).unlink(), f"{SHARD} is missing"),
        (lambda folder: os.truncate(folder / SHARD, 99), f"{SHARD} has 99 bytes"),
        (lambda folder: flip_the_last_byte(folder / SHARD), f"{SHARD} holds something else as"),
    ],
)
def test_a_damaged_shard_is_named(
    binarised: Path, two: Path, damage: Callable[[Path], None], told: str
) -> None:
    checkpoint = two / "checkpoint_last.pt"
    folder = two / load(checkpoint)[KEY]
    damage(folder)
    sentence = stops(in_shards, binarised, two, 3)
    assert sentence.startswith(f"moe_nmt: {checkpoint} lacks some of its experts: {folder}/{told}")
    assert sentence.endswith("restore that file, or use another checkpoint of the same training")
    output = two / "one.pt"
    assert stops(consolidate.main, [str(checkpoint), "--output", str(output)]) == sentence
    assert not list(two.glob("one*"))


def test_another_model_is_refused(binarised: Path, two: Path) -> None:
    told = stops(in_shards, binarised, two, 3, "--experts", "8")
    assert "is of another model: decoder" in told
    assert "there and" in told


def test_folders_go_with_the_last_checkpoint_that_names_them(
    binarised: Path, tmp_path: Path
) -> None:
    kept = ["--keep-last-epochs", "1", "--keep-best-checkpoints", "1"]
    options = [SHARDED, "--max-epoch", "3", "--save-interval-updates", "4", *kept]
    train_here(binarised, tmp_path, *options, "--keep-interval-updates", "1")
    files = {path.name: load(path)[KEY] for path in tmp_path.glob("*.pt")}
    assert files["checkpoint3.pt"] == files["checkpoint_last.pt"]
    assert files["checkpoint_best.pt"] in folders(tmp_path)
    assert folders(tmp_path) == set(files.values())
    assert len(set(files.values())) < 5
    one = consolidated(tmp_path / "checkpoint_best.pt")
    assert updates(one) == updates(load(tmp_path / "checkpoint_best.pt"))


def test_nothing_is_removed_while_a_checkpoint_cannot_be_read(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    in_use, unused = tmp_path / "experts-4-01234567", tmp_path / "experts-2-89abcdef"
    mine = tmp_path / "experts-old"
    for folder in (in_use, unused, mine):
        folder.mkdir()
    torch.save({KEY: in_use.name}, tmp_path / "checkpoint_last.pt")
    torch.save([1], tmp_path / "other.pt")
    damaged = tmp_path / "checkpoint1.pt"
    damaged.write_text("half")
    remove_unnamed_experts(tmp_path)
    assert unused.exists()
    assert f"{damaged} cannot be read" in caplog.text
    damaged.unlink()
    remove_unnamed_experts(tmp_path)
    assert not unused.exists()
    assert in_use.exists()
    assert mine.exists()


class Killed(BaseException):
    """Stands for the end of the process."""


def killed(*args: Any, **kwargs: Any) -> Any:
    raise Killed


def killed_after(function: Callable[..., Any]) -> Callable[..., Any]:
    def call_and_die(*args: Any, **kwargs: Any) -> Any:
        function(*args, **kwargs)
        raise Killed

    return call_and_die


MOMENTS: list[tuple[Any, str, Callable[[Any], Any], int]] = [
    # what is replaced, by what, and the update of the checkpoint that is left
    (shards, "write_parts", lambda write: killed, 2),
    (parts, "write_catalogue", lambda write: killed, 2),
    (shards, "write_parts", killed_after, 2),
    (checkpoint_utils, "_torch_persistent_save", lambda save: killed, 2),
    (checkpoint_utils, "_torch_persistent_save", killed_after, 2),
    (checkpoint_utils, "torch_persistent_save", killed_after, 2),
    (PathManager, "copy", lambda copy: killed, 2),
    (PathManager, "copy", killed_after, 2),
    (hooks, "remove_unnamed_experts", lambda remove: killed, 3),
    (shards.shutil, "rmtree", lambda remove: killed, 3),
]


@pytest.mark.parametrize("moment", MOMENTS)
def test_a_kill_at_any_moment_of_a_save_leaves_a_whole_checkpoint(
    binarised: Path,
    two: Path,
    monkeypatch: pytest.MonkeyPatch,
    moment: tuple[Any, str, Callable[[Any], Any], int],
) -> None:
    where, name, replacement, left = moment
    with monkeypatch.context() as patch:
        function = replacement(getattr(where, name))
        patch.setattr(where, name, staticmethod(function) if where is PathManager else function)
        with pytest.raises(Killed):
            in_shards(binarised, two, 3, *EACH_UPDATE)
    assert updates(load(two / "checkpoint_last.pt")) == left
    assert updates(in_shards(binarised, two, 4, *EACH_UPDATE)) == 4
    assert folders(two) == named(two)


DIES_WHILE_SAVING = """
import os, signal
from fairseq_cli.train import cli_main
from moe_nmt.checkpoints import rows

bytes_of, started = rows.bytes_of, []

def write_and_die(row):
    started.append(1)
    if len(started) == int(os.environ["DIES_AT"]):
        os.kill(os.getpid(), signal.SIGKILL)
    return bytes_of(row)

if os.environ["RANK"] == "1":
    rows.bytes_of = write_and_die
cli_main()
"""


@pytest.mark.distributed
def test_a_worker_killed_while_it_writes_its_shard_ends_all(
    binarised: Path, tmp_path: Path
) -> None:
    script, folder = tmp_path / "dies.py", tmp_path / "checkpoints"
    script.write_text(DIES_WHILE_SAVING)
    options = [*BRIEF, SHARDED, "--save-interval-updates", "1", "--max-update", "1000"]
    written = 3 * 4 * 2  # of each save: four weights and two moments of each, for two experts here
    torchrun = [str(Path(sys.executable).with_name("torchrun")), "--nproc_per_node", "2"]
    done = subprocess.run(
        [*torchrun, str(script), *training(binarised, folder, *options)],
        cwd=ROOT,
        env={**os.environ, "PYTHONPATH": str(ROOT), "DIES_AT": str(written + 3)},
        capture_output=True,
        text=True,
        timeout=300,
    )
    assert done.returncode != 0
    assert "(local_rank: 1)" in done.stderr.partition("Root Cause")[2]
    last = load(folder / "checkpoint_last.pt")
    assert updates(last) == 1
    assert len(folders(folder)) == 2
    assert updates(in_shards(binarised, folder, 2)) == 2
    assert last[KEY] in folders(folder)  # checkpoint_1_1.pt names it
    assert len(folders(folder)) == 2


def outcome(rank: int, arguments: list[str]) -> str:
    """How a worker's training ended."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(launch, "SECONDS_TO_WAIT", 0.0)
        try:
            train_on_worker(rank, 2, arguments)
        except SystemExit as stop:
            return str(stop.code)
    return "done"


@pytest.mark.distributed
def test_all_workers_are_told_of_a_damaged_shard(
    pool: Pool, binarised: Path, tmp_path: Path
) -> None:
    options = [*BRIEF, SHARDED, "--max-update"]
    last = train_on(pool, 2, binarised, tmp_path, *options, "1")
    second = tmp_path / last[KEY] / "worker1.safetensors"
    second.unlink()
    arguments = training(binarised, tmp_path, *options, "2")
    for answer in pool(2).run(outcome, arguments):
        assert f"lacks some of its experts: {second} is missing" in answer
