"""fairseq's commands for tests, with the options of a model that trains in a second."""

from __future__ import annotations

import contextlib
import importlib
import io
import signal
import subprocess
import sys
import warnings
from collections.abc import Callable, Sequence
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
SIZES = {"train": 600, "valid": 50, "test": 61}  # of the data; 61 is not divisible by 8

# Processes that load data would be waited for, five seconds each.
PLUGIN = [
    *("--user-dir", "moe_nmt", "--task", "expert_parallel_translation", "--cpu"),
    *("--num-workers", "0"),
]
SHORT = ["--max-len-b", "20"]  # a model that has hardly learnt seldom ends a sentence
SMALL_MODEL = [
    *("--arch", "gnmt_moe_tiny", "--model-dim", "32", "--lstm-cells", "32"),
    *("--attention-dim", "32", "--expert-hidden", "32", "--experts", "4"),
]
SCHEDULE = ["--lr-scheduler", "warmup_constant_inverse_sqrt", "--warmup-updates", "10"]


def training(data: Path, save_dir: Path, *options: str, optimizer: str = "fused_adam") -> list[str]:
    """The command line of fairseq-train for a small model with mixtures on both sides.

    Of the 600 sentences it makes about ten batches.
    """
    return [
        *(str(data), "--save-dir", str(save_dir), *PLUGIN, *SMALL_MODEL),
        *("--criterion", "balanced_cross_entropy", "--label-smoothing", "0.1"),
        *("--optimizer", optimizer, "--lr", "0.01", *SCHEDULE),
        *("--max-tokens", "1000", "--log-format", "json"),
        *options,
    ]


def run(*command: object, cwd: Path = ROOT) -> subprocess.CompletedProcess[str]:
    """Runs a command of the environment that the tests run in, from the project's folder."""
    program, *arguments = map(str, command)
    return subprocess.run(
        [str(Path(sys.executable).with_name(program)), *arguments],
        cwd=cwd,
        capture_output=True,
        text=True,
        timeout=900,  # a busy machine
    )


def run_here(command: str, *arguments: object) -> str:
    """Runs fairseq's command in this process, where it is imported already: what it printed."""
    module = importlib.import_module(f"fairseq_cli.{command}")
    importlib.import_module("moe_nmt.training.hooks").install()  # also round this command
    output = io.StringIO()
    with (
        pytest.MonkeyPatch.context() as patch,
        contextlib.redirect_stdout(output),
        warnings.catch_warnings(),
    ):
        warnings.simplefilter("ignore")  # fairseq's own
        patch.setattr(sys, "argv", [f"fairseq-{command}", *map(str, arguments)])
        patch.chdir(ROOT)
        module.cli_main()
    return output.getvalue()


def usage_error(
    main: Callable[[Sequence[str]], object], arguments: str, capsys: pytest.CaptureFixture[str]
) -> str:
    """What a command says of options that it refuses, by status 2."""
    with pytest.raises(SystemExit) as stop:
        main(arguments.split())
    assert stop.value.code == 2
    return capsys.readouterr().err


def train_here(data: Path, save_dir: Path, *options: str, optimizer: str = "fused_adam") -> Path:
    """Trains the small model in this process; returns its last checkpoint."""
    run_here("train", *training(data, save_dir, *options, optimizer=optimizer))
    return save_dir / "checkpoint_last.pt"


def preprocess(texts: Path, binarised: Path, *options: object) -> list[str]:
    """The command line of fairseq-preprocess for train, valid and test from English to German."""
    prefixes = [f"--{split}pref={texts / split}" for split in ("train", "valid", "test")]
    return ["-s", "en", "-t", "de", *prefixes, f"--destdir={binarised}", *map(str, options)]


def hypotheses(output: str) -> dict[int, str]:
    """Sentence number -> translation, from the output of fairseq-generate or -interactive."""
    lines = (line.split("\t") for line in output.splitlines() if line.startswith("H-"))
    return {int(number.removeprefix("H-")): text for number, _, text in lines}


def heed_interrupts() -> None:
    """For a new process: one of the background, such as these tests may be, ignores them."""
    signal.signal(signal.SIGINT, signal.SIG_DFL)
