"""In the middle of an epoch a training goes on with the same batches or not at all."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest
import torch
from commands import run_here, train_here, training

OPTIONS = ["--disable-validation", "--no-epoch-checkpoints"]


@pytest.fixture(scope="module")
def within(binarised: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of a training that was ended in the middle of its second epoch."""
    folder = tmp_path_factory.mktemp("within")
    train_here(binarised, folder, *OPTIONS, "--max-update", "12")
    return folder


def gone_on(data: Path, within: Path, folder: Path, *options: str) -> int:
    """Copies the folder and trains on in it to update 14; the batches seen of the epoch."""
    shutil.copytree(within, folder, dirs_exist_ok=True)
    last = train_here(data, folder, *OPTIONS, "--max-update", "14", *options)
    iterator = torch.load(last)["extra_state"]["train_iterator"]
    return int(iterator["iterations_in_epoch"])


@pytest.mark.parametrize(
    ("options", "sentence"),
    [
        (["--max-tokens", "500"], "with --max-tokens 1000, not 500"),
        (["--batch-size", "10"], "with --batch-size None, not 10"),
        (["--seed", "2"], "with --seed 1, not 2"),
        (["--max-source-positions", "99"], "with --max-source-positions 1024, not 99"),
    ],
)
def test_other_batches_are_refused(
    options: list[str], sentence: str, binarised: Path, within: Path, tmp_path: Path
) -> None:
    with pytest.raises(SystemExit) as stop:
        gone_on(binarised, within, tmp_path, *options)
    said = str(stop.value.code)
    assert f"checkpoint_last.pt is from the middle of an epoch {sentence}: give that value" in said
    assert gone_on(binarised, within, tmp_path, *options, "--reset-dataloader") == 2


def test_other_text_is_refused(binarised: Path, within: Path, corpus: Path, tmp_path: Path) -> None:
    text, other = tmp_path / "text", tmp_path / "other"
    text.mkdir()
    for side in ("en", "de"):
        lines = (corpus / f"train.{side}").read_text(encoding="utf-8").splitlines(keepends=True)
        (text / f"train.{side}").write_text("".join(lines[:-5]), encoding="utf-8")
    run_here(
        "preprocess",
        *("-s", "en", "-t", "de", "--joined-dictionary", f"--destdir={other}"),
        *(f"--trainpref={text / 'train'}", f"--validpref={corpus / 'valid'}"),
        *("--srcdict", binarised / "dict.en.txt"),
    )
    with pytest.raises(SystemExit, match="an epoch of 600 training sentences, and there are 595"):
        gone_on(other, within, tmp_path / "run")


def test_what_does_not_change_the_batches_may_change(
    binarised: Path, within: Path, tmp_path: Path
) -> None:
    assert gone_on(binarised, within, tmp_path, "--lr", "0.001", "--dropout", "0.1") == 5


def test_between_epochs_all_may_change(binarised: Path, tmp_path: Path) -> None:
    train_here(binarised, tmp_path, *OPTIONS, "--max-epoch", "1")
    run_here(
        "train",
        *training(binarised, tmp_path, *OPTIONS, "--max-update", "12", "--max-tokens", "500"),
    )


def test_fine_tuning_begins_anew(binarised: Path, within: Path, tmp_path: Path) -> None:
    last = within / "checkpoint_last.pt"
    options = ["--finetune-from-model", str(last), "--seed", "2", "--max-update", "2"]
    state = torch.load(train_here(binarised, tmp_path, *OPTIONS, *options, "--warmup-updates", "1"))
    assert state["extra_state"]["train_iterator"]["iterations_in_epoch"] == 2
