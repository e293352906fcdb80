"""In the middle of an epoch a training goes on with the batches it began with, or not at all.

A checkpoint counts the batches that were seen.  Of other batches as many are others: some text
would be read twice, some never, and fairseq would not say so.
"""

from __future__ import annotations

from argparse import Namespace
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from omegaconf import OmegaConf

from moe_nmt.errors import UserError

# What decides of which sentences batches are made, and in what order they come.
BATCHING = {
    "dataset": (
        "max_tokens",
        "batch_size",
        "required_batch_size_multiple",
        "train_subset",
        "curriculum",
        "grouped_shuffling",
    ),
    "common": ("seed",),
    "task": ("max_source_positions", "max_target_positions", "upsample_primary"),
}
SENTENCES = "training_sentences"  # of a checkpoint: how many there were


def plain(section: Any) -> Mapping[str, Any]:
    """The options of a section, however they are kept."""
    if isinstance(section, Namespace):
        return vars(section)
    found: Any = OmegaConf.to_container(section) if OmegaConf.is_config(section) else section
    return found if isinstance(found, Mapping) else vars(found)


def refuse_other_batches(file: Path, state: Mapping[str, Any], cfg: Any) -> None:
    """Stops where a checkpoint from the middle of an epoch would meet other batches.

    Args:
        file: the checkpoint.
        state: what is in it.
        cfg: the options of now.

    Raises:
        UserError: the option that changed, and its value then.
    """
    if not is_within_epoch(state) or cfg.checkpoint.reset_dataloader:
        return
    if cfg.checkpoint.finetune_from_model == str(file):  # which begins anew
        return
    for section, names in BATCHING.items():
        then, now = plain(state["cfg"][section]), plain(cfg[section])
        for name in names:
            if name in then and name in now and then[name] != now[name]:
                raise UserError(
                    f"{file} is from the middle of an epoch with --{name.replace('_', '-')} "
                    f"{then[name]}, not {now[name]}: give that value until the epoch is over, "
                    "or --reset-dataloader to begin the epoch again"
                )


def is_within_epoch(state: Mapping[str, Any]) -> bool:
    """Whether a checkpoint is from the middle of an epoch."""
    return bool(state["extra_state"]["train_iterator"].get("iterations_in_epoch"))


def refuse_other_text(then: int | None, now: int, file: str) -> None:
    """Stops where the training text has not as many sentences as when the epoch began.

    Raises:
        UserError: both numbers.
    """
    if then is not None and then != now:
        raise UserError(
            f"{file} is from the middle of an epoch of {then} training sentences, and there are "
            f"{now} now: train on the same data until the epoch is over, or give "
            "--reset-dataloader to begin an epoch"
        )
