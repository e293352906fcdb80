"""A language model through fairseq's commands, from text to perplexity and to sentences."""

from __future__ import annotations

import math
import re
import shutil
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import torch
from commands import hypotheses, run, run_here
from comparisons import assert_same
from fairseq.data import Dictionary
from fairseq_workers import LARGE_EPSILON, train_on_worker
from worker_pool import WorkerPool

from moe_nmt.cli.pack import main as pack
from moe_nmt.models.language_model import LSTMMoELanguageModel

TASK = "expert_parallel_language_modeling"
PLUGIN = ["--user-dir", "moe_nmt", "--cpu", "--num-workers", "0"]
SMALL = [
    *("--arch", "lstm_moe_lm_tiny", "--model-dim", "32", "--lstm-cells", "32"),
    *("--expert-hidden", "32", "--experts", "4"),
]
ADAPTIVE = ["--adaptive-softmax-cutoff", "100,500"]
BREAKS = {
    "eos": ["--sample-break-mode", "eos", "--max-tokens", "1000"],
    "complete": ["--sample-break-mode", "complete", "--tokens-per-sample", "40"],
    "none": ["--sample-break-mode", "none", "--tokens-per-sample", "25"],
    "carry": ["--carry-state", "--tokens-per-sample", "25", "--batch-size", "16"],
}


def training(data: Path, folder: Path, *options: str, task: str = TASK) -> list[str]:
    return [
        *(str(data), "--save-dir", str(folder), *PLUGIN, "--task", task, *SMALL),
        *("--criterion", "balanced_cross_entropy", "--optimizer", "fused_adam", "--lr", "0.01"),
        *("--lr-scheduler", "warmup_constant_inverse_sqrt", "--warmup-updates", "10"),
        *("--no-epoch-checkpoints", "--log-format", "json", *options),
    ]


def batches(break_mode: str) -> list[str]:
    options = BREAKS[break_mode]
    sizes = {"--max-tokens", "--batch-size"}
    return [*options, *([] if sizes & set(options) else ["--max-tokens", "1000"])]


def train(data: Path, folder: Path, *options: str, task: str = TASK) -> Path:
    run_here("train", *training(data, folder, *options, task=task))
    return folder / "checkpoint_last.pt"


@pytest.fixture(scope="module")
def text(corpus: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """English, binarised as words."""
    folder = tmp_path_factory.mktemp("text")
    prefixes = [f"--{split}pref={corpus / split}.en" for split in ("train", "valid", "test")]
    done = run("fairseq-preprocess", "--only-source", *prefixes, f"--destdir={folder}")
    assert done.returncode == 0, done.stderr
    return folder


@pytest.fixture(scope="module")
def trained(text: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A checkpoint after 40 updates, sentence by sentence."""
    folder = tmp_path_factory.mktemp("trained")
    return train(text, folder, *batches("eos"), "--max-update", "40")


def sentences(corpus: Path, words: Dictionary, split: str = "test") -> list[list[int]]:
    """Each with the end of the one before it in front, and its own."""
    lines = (corpus / f"{split}.en").read_text().splitlines()
    end = words.eos()
    return [[end, *(words.index(word) for word in line.split()), end] for line in lines]


def loaded(checkpoint: Path, words: Dictionary) -> Any:
    state = torch.load(checkpoint)
    task = SimpleNamespace(source_dictionary=words, target_dictionary=words)
    model = LSTMMoELanguageModel.build_model(SimpleNamespace(**state["cfg"]["model"]), task)
    model.load_state_dict(state["model"])
    return model.eval()


@torch.no_grad()
def bits(model: Any, tokens: list[int]) -> float:
    """-log2 P of the tokens after the first one, without a state before it."""
    read, told = torch.tensor([tokens[:-1]]), torch.tensor(tokens[1:])
    log_p = model(read)[0].log_softmax(-1)[0]
    return -float(log_p.gather(1, told[:, None]).sum()) / math.log(2)


def evaluate(
    data: Path, checkpoint: Path, *options: str, task: str = TASK, caplog: Any
) -> tuple[int, float]:
    """How many tokens fairseq-eval-lm counts, and the loss that it finds."""
    caplog.clear()
    with caplog.at_level("INFO"):
        command = [*PLUGIN, "--task", task, "--path", checkpoint, "--gen-subset", "test"]
        run_here("eval_lm", data, *command, *options)
    said = caplog.text
    tokens = re.search(r"Evaluated ([\d,]+) tokens", said)
    loss = re.search(r"Loss \(base 2\): ([\d.]+)", said)
    assert tokens is not None
    assert loss is not None
    return int(tokens[1].replace(",", "")), float(loss[1])


@pytest.mark.parametrize("task", [TASK, "language_modeling"])
@pytest.mark.parametrize("break_mode", BREAKS)
def test_perplexity_is_that_of_all_words_and_ends(
    break_mode: str, task: str, corpus: Path, text: Path, trained: Path, caplog: Any
) -> None:
    if break_mode == "carry" and task != TASK:
        pytest.skip("fairseq's task carries nothing")
    words = Dictionary.load(str(text / "dict.txt"))
    model, spoken = loaded(trained, words), sentences(corpus, words)
    whole = [words.eos(), *(token for sentence in spoken for token in sentence[1:])]
    if break_mode == "eos":
        blocks = spoken
    elif break_mode == "complete":
        blocks = [[words.eos()]]
        for sentence in spoken:
            if len(blocks[-1]) + len(sentence) - 2 > 40:
                blocks.append([words.eos()])
            blocks[-1] += sentence[1:]
    elif break_mode == "none":
        blocks = [whole[start : start + 26] for start in range(0, len(whole) - 1, 25)]
    else:
        blocks = [whole]
    options = [option if option != "16" else "1" for option in batches(break_mode)]
    tokens, loss = evaluate(text, trained, *options, task=task, caplog=caplog)
    assert tokens == len(whole) - 1
    assert loss == pytest.approx(sum(bits(model, block) for block in blocks) / tokens, abs=2e-4)


@pytest.mark.parametrize("break_mode", ["eos", "carry"])
def test_a_training_that_goes_on_is_bit_exact(break_mode: str, text: Path, tmp_path: Path) -> None:
    options = [*batches(break_mode), "--disable-validation"]
    straight = train(text, tmp_path / "straight", *options, "--max-update", "13")
    for update in ("5", "13"):
        resumed = train(text, tmp_path / "resumed", *options, "--max-update", update)
    one, other = torch.load(straight), torch.load(resumed)
    for part in ("model", "last_optimizer_state"):
        torch.testing.assert_close(one[part], other[part], rtol=0, atol=0)
    if break_mode == "carry":
        carried = [state["task_state"]["carried"] for state in (one, other)]
        assert [tensor.shape for layer in carried[0][0] for tensor in layer] == [(1, 16, 32)] * 4
        torch.testing.assert_close(*carried, rtol=0, atol=0)


def test_beginnings_are_gone_on_with(
    text: Path, trained: Path, tmp_path: Path, corpus: Path
) -> None:
    """Greedily, as word after word of the largest probability; and by beam, and sampled."""
    lines = (corpus / "test.en").read_text().splitlines()[:4]
    beginnings = [" ".join(line.split()[:2]) for line in lines] + ["unheard-of"]
    (tmp_path / "beginnings").write_text("".join(f"{line}\n" for line in beginnings))
    command = [text, *PLUGIN, "--task", TASK, "--path", trained, "--max-len-b", "15"]
    command += ["--input", tmp_path / "beginnings"]
    greedy = hypotheses(run_here("interactive", *command, "--beam", "1"))

    words = Dictionary.load(str(text / "dict.txt"))
    model = loaded(trained, words)
    banned = torch.tensor([words.pad(), words.bos()])
    for number, line in enumerate(beginnings):
        tokens = [words.eos(), *(words.index(word) for word in line.split())]
        with torch.no_grad():
            while len(tokens) <= 15 and (len(tokens) == 1 or tokens[-1] != words.eos()):
                scores = model(torch.tensor([tokens]))[0][0, -1]
                scores[banned] = -math.inf
                tokens.append(int(scores.argmax()))
        assert greedy[number] == words.string(tokens)
    beam = hypotheses(run_here("interactive", *command, "--beam", "4"))
    options = ["--beam", "1", "--sampling", "--sampling-topk", "10", "--seed"]
    sampled = [hypotheses(run_here("interactive", *command, *options, seed)) for seed in "112"]
    assert sampled[0] == sampled[1] != sampled[2]
    for found in (beam, *sampled):
        for number, line in enumerate(beginnings[:4]):
            assert found[number].split()[0] == line.split()[0]


def test_every_softmax_is_evaluated_whole(text: Path, tmp_path: Path, caplog: Any) -> None:
    """Trained on a sample or by groups, fairseq-eval-lm finds the loss of the last validation."""
    for name, options in [("sampled", ["--sampled-words", "200"]), ("adaptive", ADAPTIVE)]:
        with caplog.at_level("INFO"):
            last = train(text, tmp_path / name, *batches("eos"), *options, "--max-update", "20")
        loss = float(re.findall(r'"valid_nll_loss": "([\d.]+)"', caplog.text)[-1])
        evaluation = [*batches("eos"), "--gen-subset", "valid"]
        assert evaluate(text, last, *evaluation, caplog=caplog)[1] == pytest.approx(loss, abs=2e-3)


@pytest.mark.parametrize("break_mode", ["eos", "carry"])
def test_recurrent_mixtures_learn_are_resumed_and_searched(
    break_mode: str, text: Path, tmp_path: Path, corpus: Path
) -> None:
    """Layers whose four gates are mixtures (section 3.1), with one between them."""
    options = [*batches(break_mode), "--recurrent-moe", "1,2"]
    one = torch.load(train(text, tmp_path / "one", *options, "--max-update", "8"))
    train(text, tmp_path / "two", *options, "--max-update", "4")
    path = train(text, tmp_path / "two", *options, "--max-update", "8")
    torch.testing.assert_close(torch.load(path)["model"], one["model"], rtol=0, atol=0)
    assert one["extra_state"]["val_loss"] < math.log2(len(Dictionary.load(str(text / "dict.txt"))))
    (tmp_path / "beginnings").write_text("the man\nshe\n")
    search = ["--path", path, "--max-len-b", "9", "--beam", "3", "--input", tmp_path / "beginnings"]
    found = hypotheses(run_here("interactive", text, *PLUGIN, "--task", TASK, *search))
    assert [found[number].split()[0] for number in (0, 1)] == ["the", "she"]


def test_validation_counts_words_of_subwords(
    corpus: Path, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    for split in ("train", "valid"):
        lines = (corpus / f"{split}.en").read_text().splitlines()
        halved = [re.sub(r"(\w\w)(\w\w)", r"\1@@ \2", line) for line in lines]
        (tmp_path / split).write_text("".join(f"{line}\n" for line in halved))
    data = tmp_path / "data"
    prefixes = [f"--{split}pref={tmp_path / split}" for split in ("train", "valid")]
    assert run("fairseq-preprocess", "--only-source", *prefixes, "--destdir", data).returncode == 0
    with caplog.at_level("INFO"):
        train(data, tmp_path / "out", *batches("eos"), "--max-update", "2")
    found = {
        name: float(value)
        for name, value in re.findall(r'"valid_(nll_loss|word_nll_loss)": "([\d.]+)"', caplog.text)
    }
    spoken = (tmp_path / "valid").read_text().split()
    pieces, words = len(spoken), sum(not piece.endswith("@@") for piece in spoken)
    lines = len((tmp_path / "valid").read_text().splitlines())
    expected = found["nll_loss"] * (pieces + lines) / (words + lines)
    assert found["word_nll_loss"] == pytest.approx(expected, abs=2e-3)
    assert pieces > words


@pytest.mark.distributed
def test_several_workers_train_as_one(
    pool: Callable[[int], WorkerPool], text: Path, tmp_path: Path
) -> None:
    options = [
        *("--gate", "softmax", "--k", "4", "--dropout", "0", "--clip-norm", "0.5"),
        *("--importance-weight", "0", "--load-weight", "0", "--max-update", "4"),
        *(*BREAKS["eos"][:2], "--max-tokens", "600", "--max-tokens-valid", "250", *LARGE_EPSILON),
    ]
    states = []
    for world in (1, 2, 4):
        folder = tmp_path / str(world)
        arguments = training(text, folder, *options, "--update-freq", str(4 // world))
        if world == 1:
            run_here("train", *arguments)
        else:
            pool(world).run(train_on_worker, world, arguments)
        states.append(torch.load(folder / "checkpoint_last.pt"))
    for state in states[1:]:
        assert_same(state["model"], states[0]["model"], 1e-5)
        assert state["extra_state"]["val_loss"] == pytest.approx(
            states[0]["extra_state"]["val_loss"]
        )


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["--carry-state", "--max-tokens", "100"], "give --batch-size N"),
        (["--carry-state", *batches("eos")], "it needs --sample-break-mode none"),
        ([*batches("eos"), "--moe-after", "9"], "the layers are numbered from 1 to 2"),
        ([*batches("eos"), "--output-dictionary-size", "50"], "--output-dictionary-size"),
        (
            [*batches("eos"), "--adaptive-softmax-cutoff", "50", "--label-smoothing", "0.1"],
            "leave out --sampled-words and --label-smoothing",
        ),
    ],
)
def test_what_does_not_fit_is_refused(
    options: list[str], message: str, text: Path, tmp_path: Path
) -> None:
    with pytest.raises(SystemExit) as stop:
        train(text, tmp_path / "out", *options, "--max-update", "1")
    assert message in str(stop.value)
    assert not list((tmp_path / "out").glob("*.pt"))


def test_bad_data_are_named(text: Path, trained: Path, tmp_path: Path) -> None:
    def stops(data: Path, *options: object) -> str:
        with pytest.raises(SystemExit) as stop:
            run_here("eval_lm", data, *PLUGIN, "--task", TASK, "--path", trained, *options)
        return str(stop.value)

    assert "no dict.txt: name a folder made by fairseq-preprocess" in stops(tmp_path)
    assert "has no valid7: binarise it" in stops(text, "--gen-subset", "valid7")
    copy = shutil.copytree(text, tmp_path / "copy")
    (copy / "test.bin").write_bytes(b"")
    assert "test in" in stops(copy)
    assert "has no text" in stops(copy)
    lines = (copy / "dict.txt").read_text().splitlines(keepends=True)
    (copy / "dict.txt").write_text("".join(reversed(lines)))
    message = stops(copy, "--gen-subset", "valid")
    assert "another vocabulary" in message


def test_what_comes_next_is_said(text: Path, tmp_path: Path, caplog: Any) -> None:
    """The evaluation cuts the text as the training did."""
    with caplog.at_level("INFO"):
        last = train(text, tmp_path, *batches("carry"), "--max-update", "1", "--disable-validation")
    assert (
        f"next: fairseq-eval-lm {text} --user-dir moe_nmt --task {TASK} --path {last} "
        "--sample-break-mode none --tokens-per-sample 25 --carry-state"
    ) in caplog.text
    assert f"next: moe-nmt-pack {last} --output FOLDER" in caplog.text


def test_sentences_that_begin_with_a_sign_of_their_own_are_not_packed(
    text: Path, tmp_path: Path
) -> None:
    options = ["--add-bos-token", "--max-update", "1", "--disable-validation"]
    last = train(text, tmp_path, *batches("eos"), *options)
    with pytest.raises(SystemExit, match=r"was trained with --add-bos-token.*: train without"):
        pack([str(last), "--data", str(text), "--output", str(tmp_path / "packed")])
    assert not (tmp_path / "packed").exists()
