"""What is changed in fairseq holds while a command of ours runs, and for nobody else."""

from __future__ import annotations

import importlib
import shutil
from pathlib import Path
from typing import Any
from unittest import mock

import fairseq.file_io
import pytest
import torch
from commands import run_here, train_here
from fairseq.dataclass.configs import FairseqConfig
from fairseq.trainer import Trainer
from omegaconf import OmegaConf

import moe_nmt.plugin  # noqa: F401
from moe_nmt.errors import UserError
from moe_nmt.training import hooks
from moe_nmt.training.hooks import changes, in_place, install, names_ours
from moe_nmt.training.stopping import Stopping
from moe_nmt.training.trainer import ExpertTrainer

PathManager = fairseq.file_io.PathManager
# fairseq's own model and task, beside our --user-dir.
FOREIGN = [
    *("--user-dir", "moe_nmt", "--task", "translation", "--cpu", "--num-workers", "0"),
    *("--arch", "transformer", "--encoder-layers", "1", "--decoder-layers", "1"),
    *("--encoder-embed-dim", "16", "--decoder-embed-dim", "16", "--encoder-ffn-embed-dim", "16"),
    *("--decoder-ffn-embed-dim", "16", "--optimizer", "adam", "--lr", "0.01"),
    *("--max-tokens", "1000", "--criterion", "cross_entropy", "--disable-validation"),
]


@pytest.fixture(autouse=True)
def installed() -> None:
    """The lasting changes, round the commands that are loaded."""
    importlib.import_module("fairseq_cli.train")
    install()


def now() -> list[Any]:
    """What stands at the places that are changed."""
    return [getattr(change.owner, change.name) for change in changes(Stopping())]


@pytest.mark.parametrize(
    ("task", "model", "ours"),
    [
        ("expert_parallel_translation", None, True),
        ("translation", "gnmt_moe_tiny", True),
        ("translation", "gnmt_moe", True),
        ("translation", "transformer", False),
        ("translation", None, False),
        (None, "wav2vec2", False),
    ],
)
def test_a_command_is_ours_by_its_task_or_its_model(
    task: str | None, model: str | None, ours: bool
) -> None:
    assert names_ours(task, model) == ours


def test_changes_end_with_the_command_and_are_made_once() -> None:
    before = now()
    with in_place():
        during = now()
        assert all(one is not other for one, other in zip(before, during, strict=True))
        with in_place():
            assert now() == during
        assert now() == during
    assert now() == before
    install()
    assert now() == before


def test_every_change_names_something_of_fairseqs() -> None:
    for change in [*hooks.lasting(), *changes(Stopping())]:
        assert getattr(change.owner, "__module__", change.owner.__name__).startswith("fairseq")


def command(task: str, model: str) -> Any:
    """A configuration of fairseq's, for a TPU as --bf16 has it."""
    cfg = OmegaConf.structured(FairseqConfig)
    cfg.task, cfg.model = {"_name": task}, {"_name": model}
    cfg.common.tpu = cfg.common.cpu = True
    return cfg


@pytest.mark.parametrize(
    ("task", "trainer"), [("expert_parallel_translation", ExpertTrainer), ("translation", Trainer)]
)
def test_a_command_of_fairseqs_own_runs_unchanged(task: str, trainer: type[Trainer]) -> None:
    """On a TPU too, which --bf16 stands for."""
    from fairseq.distributed import utils

    seen: list[Any] = []
    cfg = command(task, "transformer")
    before = now()
    ours = trainer is ExpertTrainer
    utils.call_main(cfg, lambda _: seen.append(now()))
    assert (seen[0] == before) == (not ours)
    assert cfg.common.tpu == (not ours)


def test_a_foreign_model_has_fairseqs_trainer_whatever_is_asked_for() -> None:
    """On several workers, where ours is refused with --store-ema or fully_sharded."""
    built: list[Any] = []

    class Foreign(Trainer):
        def __init__(self, *args: Any) -> None:
            built.append(args)

    trainer_for = hooks.instead_of_trainer(Stopping())(Foreign)
    with mock.patch("moe_nmt.training.trainer.is_one_of_many", return_value=True):
        trainer_for("cfg", object(), torch.nn.Linear(1, 1), "criterion")
    assert built[0][0] == "cfg"


def test_another_models_old_checkpoint_is_read_and_averaged_as_without_us(
    binarised: Path, tmp_path: Path
) -> None:
    """A file of torch before 1.6 is no zip archive; ours never was such a one."""
    options = [binarised, *FOREIGN, "--save-dir", tmp_path, "--no-epoch-checkpoints", "--store-ema"]
    run_here("train", *options, "--max-update", "1")
    last = tmp_path / "checkpoint_last.pt"
    state = torch.load(last, weights_only=False)
    assert "ema" in state["extra_state"]
    torch.save(state, last, _use_new_zipfile_serialization=False)
    run_here("train", *options, "--max-update", "2")
    assert torch.load(last, weights_only=False)["optimizer_history"][-1]["num_updates"] == 2


def test_a_copy_replaces_the_old_one(tmp_path: Path) -> None:
    new, last = tmp_path / "checkpoint2.pt", tmp_path / "checkpoint_last.pt"
    new.write_text("new")
    last.write_text("old")
    with in_place():
        assert PathManager.copy(str(new), str(last), overwrite=True)
    assert last.read_text() == "new"
    assert sorted(path.name for path in tmp_path.iterdir()) == [new.name, last.name]


def test_an_interrupted_copy_leaves_the_old_one(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def interrupted(source: str, destination: str) -> None:
        Path(destination).write_text("ne")
        raise KeyboardInterrupt

    monkeypatch.setattr(shutil, "copyfile", interrupted)
    last = tmp_path / "checkpoint_last.pt"
    last.write_text("old")
    with pytest.raises(KeyboardInterrupt), in_place():
        PathManager.copy("checkpoint2.pt", str(last), overwrite=True)
    assert last.read_text() == "old"


def test_a_users_mistake_in_training_is_a_sentence_and_no_crash(
    binarised: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def mistaken(*_: Any, **__: Any) -> Any:
        raise UserError("--option is wrong: leave it out")

    monkeypatch.setattr("moe_nmt.models.gnmt_moe.GNMTMoEModel.forward", mistaken)
    with pytest.raises(SystemExit, match=r"^moe_nmt: --option is wrong: leave it out$"):
        train_here(binarised, tmp_path / "out", "--max-update", "1")
    assert not list(tmp_path.rglob("crash.pt"))
