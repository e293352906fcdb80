"""Bad input gives a right result or one clear sentence."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest
import torch
from commands import (
    PLUGIN,
    SHORT,
    SIZES,
    hypotheses,
    preprocess,
    run,
    run_here,
    train_here,
    training,
)

QUICK = ["--max-update", "2", "--no-epoch-checkpoints"]
SPLITS = ("train", "valid", "test")


def stops(command: str, *arguments: object) -> str:
    """The one sentence with which a command stops."""
    with pytest.raises(SystemExit) as stopped:
        run_here(command, *arguments)
    assert isinstance(stopped.value.code, str)
    return stopped.value.code


def generate_command(data: Path, checkpoint: Path) -> list[object]:
    return [data, *PLUGIN, "--path", checkpoint, "--beam", 1, *SHORT]


@pytest.fixture
def texts(corpus: Path, tmp_path: Path) -> Path:
    """A copy of the text to spoil, with 40 sentences to train on."""
    folder = shutil.copytree(corpus, tmp_path / "texts")
    for path in folder.glob("train.*"):
        path.write_text("".join(path.read_text().splitlines(keepends=True)[:40]))
    return folder


def change(path: Path, lines: dict[int, str]) -> None:
    """Puts other text into some lines of a file."""
    text = path.read_text().splitlines()
    for number, line in lines.items():
        text[number] = line
    path.write_text("".join(f"{line}\n" for line in text))


def test_odd_sentences_go_through_every_command(texts: Path, tmp_path: Path) -> None:
    long = " ".join(["hotel"] * 2000)
    for split in SPLITS:
        change(texts / f"{split}.en", {0: "", 1: "", 2: long, 3: "\U0001f989 \u2028 日本"})
        change(texts / f"{split}.de", {0: "", 4: "", 5: "ẞ \u0085 \ufeff"})
    data = tmp_path / "data"
    run_here("preprocess", *preprocess(texts, data, "--joined-dictionary"))
    last = train_here(data, tmp_path / "checkpoints", *QUICK)
    assert torch.load(last)["extra_state"]["val_loss"] > 0
    translations = hypotheses(run_here("generate", *generate_command(data, last)))
    assert sorted(translations) == list(range(SIZES["test"]))
    validation = ["--path", last, "--max-tokens", 300]
    run_here("validate", data, *PLUGIN, *validation)


def test_an_empty_file_is_named(texts: Path, checkpoint: Path, tmp_path: Path) -> None:
    for path in [*texts.glob("train.*"), *texts.glob("test.*")]:
        path.write_text("")
    data = tmp_path / "data"
    vocabulary = texts.parent / "dict.txt"
    shutil.copy(torch.load(checkpoint)["cfg"]["task"]["data"] + "/dict.en.txt", vocabulary)
    options = ["--joined-dictionary", "--srcdict", vocabulary]
    run_here("preprocess", *preprocess(texts, data, *options))
    sentence = "moe_nmt: {} in {} has no sentences"
    assert stops("generate", *generate_command(data, checkpoint)) == sentence.format("test", data)
    assert stops("train", *training(data, tmp_path)) == sentence.format("train", data)


def test_sides_of_different_length_are_named(
    texts: Path, checkpoint: Path, binarised: Path, tmp_path: Path
) -> None:
    (texts / "test.de").write_text("Ein Satz .\n")
    data = tmp_path / "data"
    options = ["--joined-dictionary", "--srcdict", binarised / "dict.en.txt"]
    run_here("preprocess", *preprocess(texts, data, *options))
    assert stops("generate", *generate_command(data, checkpoint)) == (
        f"moe_nmt: test in {data}: Source and target must contain the same number of examples: "
        "binarise it again from files of equal length"
    )


@pytest.fixture(params=["smaller", "turned round"])
def other_vocabulary(request: pytest.FixtureRequest, binarised: Path, tmp_path: Path) -> Path:
    """A data folder whose dictionaries differ from those of the checkpoint."""
    data = shutil.copytree(binarised, tmp_path / "data")
    for path in data.glob("dict.*.txt"):
        words = path.read_text().splitlines(keepends=True)
        path.write_text("".join(words[:-8] if request.param == "smaller" else words[::-1]))
    return data


def test_another_vocabulary_is_refused(
    other_vocabulary: Path, checkpoint: Path, tmp_path: Path
) -> None:
    sentence = (
        "moe_nmt: the checkpoint was trained with another source vocabulary than that of "
        f"{other_vocabulary}: use the data folder of its training, or binarise with --srcdict "
        "and --tgtdict from it"
    )
    shutil.copy(checkpoint, tmp_path)
    assert stops("generate", *generate_command(other_vocabulary, checkpoint)) == sentence
    assert stops("interactive", *generate_command(other_vocabulary, checkpoint)) == sentence
    validation = [other_vocabulary, *PLUGIN, "--path", checkpoint, "--max-tokens", 500]
    assert stops("validate", *validation) == sentence
    assert stops("train", *training(other_vocabulary, tmp_path)) == sentence
    tuned = ["--finetune-from-model", str(checkpoint)]
    assert stops("train", *training(other_vocabulary, tmp_path / "new", *tuned)) == sentence


@pytest.fixture
def half(checkpoint: Path, tmp_path: Path) -> Path:
    """A checkpoint cut in half."""
    path = tmp_path / "checkpoint_last.pt"
    whole = checkpoint.read_bytes()
    path.write_bytes(whole[: len(whole) // 2])
    return path


def sentence_about(half: Path) -> str:
    return (
        f"moe_nmt: {half} is not a whole checkpoint: it was cut off or is another kind of file; "
        "use an earlier checkpoint of the same folder"
    )


def test_half_a_checkpoint_stops_generate(binarised: Path, half: Path) -> None:
    done = run("fairseq-generate", *generate_command(binarised, half))
    assert done.returncode == 1
    assert done.stderr.splitlines()[-1] == sentence_about(half)
    assert "Traceback" not in done.stderr


@pytest.mark.parametrize("command", ["validate", "interactive"])
def test_half_a_checkpoint_stops_other_commands(
    binarised: Path, half: Path, tmp_path: Path, command: str
) -> None:
    """fairseq-validate, for one, names no task to load it for."""
    options = [*PLUGIN, "--max-tokens", 500]
    assert stops(command, binarised, *options, "--path", half) == sentence_about(half)
    absent = tmp_path / "absent"
    assert stops(command, binarised, *options, "--path", absent) == (
        f"moe_nmt: Model file not found: {absent}"
    )


def test_half_a_checkpoint_stops_resuming(binarised: Path, half: Path) -> None:
    assert stops("train", *training(binarised, half.parent)) == sentence_about(half)


def test_a_missing_checkpoint_or_data_folder_is_named(
    binarised: Path, checkpoint: Path, tmp_path: Path
) -> None:
    absent = tmp_path / "absent"
    assert stops("generate", *generate_command(binarised, absent)) == (
        f"moe_nmt: Model file not found: {absent}"
    )
    for command in (generate_command(absent, checkpoint), generate_command(tmp_path, checkpoint)):
        assert stops("generate", *command) == (
            f"moe_nmt: {command[0]} has no dictionaries: name a folder made by fairseq-preprocess"
        )


def test_resuming_with_other_sizes_names_them(
    binarised: Path, checkpoint: Path, tmp_path: Path
) -> None:
    last = Path(shutil.copy(checkpoint, tmp_path))
    assert stops("train", *training(binarised, tmp_path, "--experts", "8")) == (
        f"moe_nmt: {last} is of another model: decoder.stack.mixtures.0.mixture.experts.w_in is "
        "(4, 32, 32) there and (8, 32, 32) here; give the model's options of its training, or "
        "another --save-dir"
    )


def test_wrong_options_stop_training(
    binarised: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert stops("train", *training(binarised, tmp_path, "--k", "9")) == (
        "moe_nmt: k must be between 1 and the 4 experts to choose from, not 9"
    )
    with pytest.raises(SystemExit):
        run_here("train", *training(binarised, tmp_path, "--gate", "best"))
    assert "argument --gate: invalid choice: 'best'" in capsys.readouterr().err


def test_a_task_that_pads_at_the_beginning_is_refused(binarised: Path, tmp_path: Path) -> None:
    command = training(binarised, tmp_path, "--task", "translation")
    assert stops("train", *command) == (
        "moe_nmt: source sentences must be padded at the end: use --task "
        "expert_parallel_translation, or with another task --left-pad-source, which turns "
        "fairseq's left padding off"
    )
    run_here("train", *command, "--left-pad-source", *QUICK)  # the remedy, as it says
