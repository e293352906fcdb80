"""Options that do not fit each other are refused before any data are read."""

from __future__ import annotations

from pathlib import Path

import pytest
from commands import run_here, train_here, training

from moe_nmt.training.combinations import RULES

STRICT = ["--gate", "strictly-balanced"]
PLAIN = ["--criterion", "label_smoothed_cross_entropy"]
DECAY = ["--lr-scheduler", "polynomial_decay", "--warmup-updates", "5", "--max-update", "20"]
IN_BACKWARD = ["--optimizer", "factored_experts", "--update-experts-in-backward"]
WRONG: dict[str, list[str]] = {
    "--gate strictly-balanced has thresholds that only": [*STRICT, *PLAIN],
    "source sentences must be padded at the end": ["--task", "translation"],
    "bleu is not computed without --eval-bleu": ["--best-checkpoint-metric", "bleu"],
    "with --best-checkpoint-metric bleu the worst": [
        *("--best-checkpoint-metric", "bleu", "--eval-bleu"),
    ],
    "with --best-checkpoint-metric loss the worst": ["--maximize-best-checkpoint-metric"],
    "--best-checkpoint-metric acuracy is not logged": ["--best-checkpoint-metric", "acuracy"],
    "--eval-bleu-print-samples does nothing": ["--eval-bleu-print-samples"],
    "--disable-validation does not go with --patience": [
        *("--disable-validation", "--patience", "3"),
    ],
    "--disable-validation does not go": ["--disable-validation", "--keep-best-checkpoints", "2"],
    "no checkpoint would be written with": [
        *("--no-last-checkpoints", "--no-epoch-checkpoints", "--disable-validation"),
    ],
    "--keep-interval-updates does nothing": ["--keep-interval-updates", "2"],
    "--keep-last-epochs has none to keep": ["--keep-last-epochs", "2", "--no-epoch-checkpoints"],
    "--restore-file nowhere.pt does not exist": ["--restore-file", "nowhere.pt"],
    "--finetune-from-model nowhere.pt does not exist": ["--finetune-from-model", "nowhere.pt"],
    "polynomial_decay ends at --total-num-update": [*DECAY, "--total-num-update", "10"],
    "--update-experts-in-backward needs all of": [*IN_BACKWARD, "--update-freq", "2"],
    "needs all of an update's gradients in one": [*IN_BACKWARD, "--task", "translation"],
    "--bf16, --amp and --recurrent-moe": [*IN_BACKWARD, "--bf16"],
    "--experts-precision bf16 would lose": ["--experts-precision", "bf16"],
    "and none of --fp16, --bf16 and --amp": [
        *("--experts-precision", "bf16", "--optimizer", "factored_experts", "--bf16"),
    ],
    "--precision bf16 does not go with": ["--precision", "bf16", "--bf16"],
    "would keep its moments in half precision": ["--memory-efficient-bf16"],
    "--amp does nothing on a CPU": ["--amp"],
}


@pytest.mark.parametrize("sentence", WRONG)
def test_what_does_not_fit_is_refused(sentence: str, tmp_path: Path) -> None:
    """There are no data at all: nothing has been read."""
    with pytest.raises(SystemExit) as stop:
        run_here("train", *training(tmp_path / "no", tmp_path / "save", *WRONG[sentence]))
    assert str(stop.value.code).startswith("moe_nmt: ")
    assert sentence in str(stop.value.code)
    assert not (tmp_path / "save").exists()


def test_a_batch_needs_a_size(tmp_path: Path) -> None:
    options = training(tmp_path / "no", tmp_path / "save")
    at = options.index("--max-tokens")
    with pytest.raises(SystemExit, match="a batch has no size: give --max-tokens N"):
        run_here("train", *options[:at], *options[at + 2 :])


def test_every_rule_is_tried() -> None:
    of_language_models = "--adaptive-softmax-cutoff computes"  # tests/end_to_end
    tried = [*WRONG, "a batch has no size: give --max-tokens N", of_language_models]
    for rule in RULES:
        begin = rule.sentence.partition("{")[0]
        assert any(begin[:25] in one or one in rule.sentence for one in tried), rule.sentence


@pytest.mark.parametrize(
    "options",
    [
        [*STRICT],
        [*PLAIN],  # noisy gates lose only what balances them
        ["--best-checkpoint-metric", "ppl", "--keep-best-checkpoints", "1"],
        ["--best-checkpoint-metric", "encoder_1_load_cv"],
        ["--disable-validation", "--no-epoch-checkpoints"],
        [*DECAY, "--total-num-update", "20"],
    ],
)
def test_what_fits_is_trained(options: list[str], binarised: Path, tmp_path: Path) -> None:
    last = train_here(binarised, tmp_path, *options, "--max-update", "11")
    assert last.is_file()


def test_what_comes_next_is_said(
    binarised: Path, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    with caplog.at_level("INFO"):
        train_here(binarised, tmp_path, "--max-update", "11", "--disable-validation")
    assert f"next: moe-nmt-pack {tmp_path / 'checkpoint_last.pt'} --output FOLDER" in caplog.text
    assert "then: moe-nmt-translate FOLDER" in caplog.text
