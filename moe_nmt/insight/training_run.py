"""One training of a study: a command of fairseq-train in a folder of its own."""

from __future__ import annotations

import math
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

from moe_nmt.files.command_stage import run_command
from moe_nmt.insight.training_log import read_log

LOG = Path("log.txt")
CHECKPOINT = Path("checkpoint_last.pt")
LOG_INTERVAL = 50  # updates, at most


@dataclass(frozen=True)
class Schedule:
    """How long a study trains and how fast, the same for all that it compares.

    Args:
        updates: of a run; the learning rate rises over the first fifth and falls to 0.
        tokens: of a batch, at most.
        lr: the highest learning rate.
        validations: of a run, evenly spread; 0: none.
    """

    updates: int
    tokens: int
    lr: float
    validations: int = 0

    def options(self) -> list[str]:
        """For fairseq-train."""
        validation, log = ["--disable-validation"], LOG_INTERVAL
        if self.validations:
            period = max(self.updates // self.validations, 1)
            every, log = str(period), min(log, period)
            validation = ["--validate-interval-updates", every, "--save-interval-updates", every]
            validation += ["--keep-interval-updates", "1", "--validate-interval", "1000000"]
        return [
            *("--optimizer", "fused_adam", "--lr", str(self.lr), "--clip-norm", "1.0"),
            *("--lr-scheduler", "polynomial_decay"),
            *("--warmup-updates", str(self.updates // 5)),
            *("--total-num-update", str(self.updates), "--max-update", str(self.updates)),
            *("--max-tokens", str(self.tokens), "--num-workers", "0"),
            *validation,
            *("--no-epoch-checkpoints", "--log-format", "json", "--log-interval", str(log)),
        ]


def train(folder: Path, data: Path, options: Sequence[str], schedule: Schedule, seed: int) -> None:
    """Trains in a folder, unless that is done; an interrupted training goes on.

    Args:
        folder: for the checkpoint and the log.
        data: a folder made by fairseq-preprocess or moe-nmt-prepare.
        options: of fairseq-train, what the runs of the study differ in.
        schedule: what they have in common.
        seed: of the run.

    Raises:
        UserError: fairseq-train failed.
    """
    program = str(Path(sys.executable).with_name("fairseq-train"))
    command = [
        *(program, str(data), "--user-dir", "moe_nmt", *options, *schedule.options()),
        *("--seed", str(seed), "--save-dir", "."),
    ]
    inputs = [str(path) for path in sorted(data.iterdir()) if path.suffix in (".bin", ".idx")]
    inputs += [str(path) for path in sorted(data.glob("dict*.txt"))]
    run_command("train", command, inputs, [CHECKPOINT], LOG, is_resumable=True, folder=folder)


class Point(NamedTuple):
    """A validation during training."""

    updates: int
    tokens: int  # that were predicted until then
    seconds: float  # of training alone
    nats: float  # a token of the validation set


def curve(log: Path) -> list[Point]:
    """The validations that a log tells of."""
    found = read_log(log)
    points = []
    for updates, figures in found.validation.items():
        before = [f for update, f in found.training.items() if update <= updates]
        tokens = round(updates * before[-1]["wpb"])
        seconds = sum(f["train_wall"] for f in before)  # each of its own window
        points.append(Point(updates, tokens, seconds, figures["nll_loss"] * math.log(2)))
    return points
