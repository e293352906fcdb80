"""More experts at equal operations: the paper's claim on your text (Figures 2 and 3, Table 7).

All models of a study have the same operations per time step: one of their sizes, the hidden units
of an expert or the cells of an LSTM, is what the others' layers leave of the budget, the gates'
operations included.  The budget is that of the dense model with a single wide expert.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any, NamedTuple

from moe_nmt.errors import UserError
from moe_nmt.insight.accounting import accounting
from moe_nmt.insight.training_run import Schedule, train
from moe_nmt.models.planned import built_without_memory, configured_by_options

DENSE = "dense"
WIDE_LSTM = "wide LSTM"
TOLERANCE = 0.01  # of the operations


class Task(NamedTuple):
    """What the models of a study have in common."""

    kind: str  # of the model
    model: Mapping[str, Any]  # its options
    without_mixtures: Mapping[str, Any]
    training: tuple[str, ...]  # of fairseq-train: the task and how text is cut


LANGUAGE = Task(
    kind="lstm_moe_lm",
    # the paper's language model (App. C) at a quarter of its width
    model={"model_dim": 128, "lstm_cells": 128, "gate": "noisy-top-k", "dropout": 0.0},
    without_mixtures={"moe_after": "", "lstm_layers": 1},
    training=("--task", "expert_parallel_language_modeling", "--sample-break-mode", "eos"),
)
TRANSLATION = Task(
    kind="gnmt_moe",
    model={
        **{"model_dim": 128, "lstm_cells": 128, "attention_dim": 128, "encoder_layers": 2},
        **{"encoder_moe_after": "1", "decoder_moe_after": "1", "encoder_bidirectional": True},
        **{"attention_feed": "output", "gate": "noisy-top-k", "dropout": 0.0},
        "share_all_embeddings": True,
    },
    without_mixtures={"encoder_moe_after": "", "decoder_moe_after": ""},
    training=("--task", "expert_parallel_translation"),
)
TASKS: Mapping[str, Task] = {"language": LANGUAGE, "translation": TRANSLATION}
HIDDEN_OF_DENSE = 1024  # 8 times the width: as many as the paper's 4 experts of twice the width


class Variant(NamedTuple):
    """One of the models compared."""

    name: str
    options: Mapping[str, Any]  # in place of the task's
    sized: str = "expert_hidden"  # the option that the budget determines


def variants(task: Task) -> dict[str, Variant]:
    """The dense models first, then more and more experts."""
    flat = [Variant(str(n), {"experts": n, "k": 4}) for n in (4, 16, 64, 256)]
    grouped = [Variant(f"{n}h", {"experts": n, "expert_groups": 16, "k": 2}) for n in (256, 1024)]
    all_of_them = [
        Variant(DENSE, {"experts": 1, "k": 1}),
        Variant(WIDE_LSTM, task.without_mixtures, sized="lstm_cells"),
        *flat,
        *grouped,
    ]
    return {variant.name: variant for variant in all_of_them}


class Sized(NamedTuple):
    """A variant with the size that the budget leaves it."""

    options: dict[str, Any]
    operations: int  # per time step, as moe-nmt-plan counts them
    parameters: int


def counted(task: Task, options: Mapping[str, Any], vocabulary: int) -> Sized:
    """A model's cost."""
    config = configured_by_options(task.kind, options)
    counts = accounting(built_without_memory(task.kind, config, vocabulary), workers=1)
    return Sized(dict(options), counts["ops_per_timestep"], counts["parameters"])


@lru_cache
def sized(name: str, variant: str, vocabulary: int) -> Sized:
    """The size of a variant whose operations are those of the dense model.

    Operations grow in a straight line with either option, so that two counts tell the rest.

    Raises:
        UserError: no size is near enough.
    """
    task = TASKS[name]
    dense, mine = (variants(task)[v] for v in (DENSE, variant))
    budget = counted(
        task, {**task.model, **dense.options, "expert_hidden": HIDDEN_OF_DENSE}, vocabulary
    ).operations
    options = {**task.model, **mine.options}
    low, high = (counted(task, {**options, mine.sized: n}, vocabulary) for n in (1024, 2048))
    slope = (high.operations - low.operations) / 1024
    size = 1024 + 2 * round((budget - low.operations) / slope / 2)  # halves for two directions
    result = counted(task, {**options, mine.sized: size}, vocabulary) if size > 0 else low
    if abs(result.operations / budget - 1) > TOLERANCE:
        raise UserError(
            f"{variant}: no {mine.sized} gives the {budget} operations of the dense model"
        )
    return result


@dataclass(frozen=True)
class Run:
    """A model of the study, trained with one seed."""

    task: str
    variant: str
    seed: int

    @property
    def name(self) -> str:
        """Of its folder."""
        return f"{self.task}-{self.variant.replace(' ', '-')}-seed{self.seed}"

    def train(self, folder: Path, data: Path, model: Sized, schedule: Schedule) -> None:
        """Trains it in ``folder``, unless that is done."""
        task = TASKS[self.task]
        options = [*task.training, "--arch", task.kind]
        for option, value in model.options.items():
            if value is True:
                options.append(f"--{option.replace('_', '-')}")
            else:
                options += [f"--{option.replace('_', '-')}", str(value)]
        options += ["--criterion", "balanced_cross_entropy", "--sampled-words", "1024"]
        options += ["--importance-weight", "0.1", "--load-weight", "0.1"]
        train(folder, data, options, schedule, self.seed)
