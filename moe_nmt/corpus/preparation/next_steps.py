"""The commands that come after, with the right paths: training, and packing for translation.

Settings are those of configs/gnmt_moe_multi30k.yaml, of configs/gnmt_moe_32.yaml for large texts.
"""

from __future__ import annotations

import shlex
from collections.abc import Mapping
from math import ceil

from moe_nmt.corpus.preparation.preparation import BINARISED, Preparation

LARGE = 500_000  # pairs, or lines
BATCH = 2000  # subwords of a side
EPOCHS, MOST_EPOCHS = 24, 60  # of a text like Multi30k's 29,000 pairs; of the smallest
UPDATES, MOST_UPDATES = 6500, 20_000
WARMUP = 300  # updates

PLUGIN = {"--user-dir": "moe_nmt", "--task": "expert_parallel_translation"}
OF_LANGUAGE_MODEL = {
    **{"--user-dir": "moe_nmt", "--task": "expert_parallel_language_modeling"},
    **{"--sample-break-mode": "eos", "--max-tokens": 16_000},
}
ALWAYS = {"--criterion": "balanced_cross_entropy", "--optimizer": "fused_adam"}
OF_LARGE = {
    **{"--arch": "gnmt_moe_32", "--lr": 0.001, "--clip-norm": 5.0},
    **{"--lr-scheduler": "warmup_constant_inverse_sqrt", "--warmup-updates": 2000},
    **{"--constant-updates": 8000, "--max-tokens": 16_000, "--max-epoch": 10},
}


def next_steps(work: Preparation) -> str:
    """What to type."""
    if work.settings.is_parallel:
        return of_translation(work)
    return of_language_model(work)


def of_language_model(work: Preparation) -> str:
    """Training, the perplexity of a test set, and going on with raw beginnings."""
    data, checkpoints = work.folder / "binarised", work.folder / "checkpoints"
    is_large = sum(work.facts["train"].values()) >= LARGE
    training = OF_LANGUAGE_MODEL | ALWAYS
    training |= {"--arch": "lstm_moe_lm_256" if is_large else "lstm_moe_lm_32"}
    training |= {"--importance-weight": 0.1, "--load-weight": 0.1, "--lr": 0.001, "--clip-norm": 1}
    training |= {"--lr-scheduler": "warmup_constant_inverse_sqrt", "--warmup-updates": 1000}
    training |= {"--constant-updates": 0, "--max-epoch": 10, "--save-dir": checkpoints}
    splits = [split for split in work.settings.held_out if split != "valid"]
    evaluation = OF_LANGUAGE_MODEL | {"--path": checkpoints / "checkpoint_best.pt"}
    evaluation |= {"--gen-subset": splits[0] if splits else "valid"}
    best, model = checkpoints / "checkpoint_best.pt", work.folder / "model"
    return (
        "next, train, evaluate, pack and go on with beginnings:\n\n"
        f"{command('fairseq-train', data, training)}\n\n"
        f"{command('fairseq-eval-lm', data, evaluation)}\n\n"
        f"{command('moe-nmt-pack', best, {'--output': model})}\n\n"
        f"{command('moe-nmt-translate', model, {})} < beginnings.txt"
    )


def of_translation(work: Preparation) -> str:
    """Training, packing and translating."""
    folder = work.folder
    checkpoints = folder / "checkpoints"
    pairs = sum(work.facts["train"].values())
    subwords = max(
        counts["subwords"] + counts["sentences"]
        for counts in work.facts[f"{BINARISED}train"].values()
    )
    options = PLUGIN | ALWAYS | (OF_LARGE if pairs >= LARGE else of_small(subwords))
    note = ""
    if work.settings.reused is not None:
        options["--finetune-from-model"] = "OLD.pt"
        note = " OLD.pt is the model to train further, --arch and sizes are to be its own."
    training = command("fairseq-train", folder / "binarised", options | {"--save-dir": checkpoints})
    best = checkpoints / "checkpoint_best.pt"
    packing = command("moe-nmt-pack", best, {"--output": folder / "model"})
    translating = command("moe-nmt-translate", folder / "model", {})
    return (
        f"next, train, pack and translate:{note}\n\n{training}\n\n{packing}\n\n"
        f"{translating} < raw.{work.settings.languages[0]}"
    )


def of_small(subwords: int) -> dict[str, object]:
    """The options for a text whose longer side has so many subwords, ends of sentences included."""
    an_epoch = ceil(subwords / BATCH)
    updates = min(MOST_UPDATES, max(EPOCHS * an_epoch, min(UPDATES, MOST_EPOCHS * an_epoch)))
    return {
        **{"--arch": "gnmt_moe_multi30k", "--label-smoothing": 0.1, "--lr": 0.002},
        **{"--clip-norm": 1.0, "--lr-scheduler": "polynomial_decay"},
        **{"--warmup-updates": min(WARMUP, ceil(updates / 10)), "--total-num-update": updates},
        **{"--max-update": updates, "--max-tokens": BATCH, "--keep-last-epochs": 6},
    }


def command(name: str, argument: object, options: Mapping[str, object]) -> str:
    """A command on lines of which each but the last goes on, as shells take it."""
    lines, width = [f"{name} {shlex.quote(str(argument))}"], 100
    for option, value in options.items():
        words = f"{option} {shlex.quote(str(value))}"
        if len(lines[-1]) + len(words) + 3 > width:
            lines[-1] += " \\"
            lines.append(f"    {words}")
        else:
            lines[-1] += f" {words}"
    return "\n".join(lines)
