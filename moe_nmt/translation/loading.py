"""Loads model folders to translate with."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path

import torch

from moe_nmt.errors import UserError
from moe_nmt.translation.model_folder import SOURCE, SUBWORDS, TARGET, ModelFolder
from moe_nmt.translation.translator import Translator

PRECISIONS = ("fp32", "bf16")


def load(
    *folders: str | os.PathLike[str], device: str | None = None, precision: str = "fp32"
) -> Translator:
    """Loads one model, or several as an ensemble that averages their probabilities.

    Args:
        folders: made by ``moe-nmt-pack``; those of an ensemble have the same dictionaries and
            subwords, and the first one's settings of the search are taken.
        device: as torch names it; None: a GPU where there is one.
        precision: "fp32", or "bf16", in which the weights take half the memory.

    Raises:
        UserError: what is wrong with a folder, or with what was asked for.
    """
    if not folders:
        raise UserError("name at least one model folder")
    if precision not in PRECISIONS:
        raise UserError(f"the precision must be {' or '.join(PRECISIONS)}, not {precision!r}")
    place = device_named(device)
    read = [ModelFolder.read(Path(folder)) for folder in folders]
    refuse_different(read)
    models = [folder.model() for folder in read]
    for model in models:
        if precision == "bf16":
            model.to_bfloat16()
        model.to(place)
    return Translator(models, read[0].languages(), read[0].description.search)


def device_named(name: str | None) -> torch.device:
    """A device that is there."""
    if name is None:
        return torch.device("cuda" if torch.cuda.is_available() else "cpu")
    try:
        device = torch.device(name)
        torch.zeros(1, device=device).item()  # which a device that holds nothing cannot
    except (AssertionError, RuntimeError) as error:
        raise UserError(
            f"there is no device {name!r} to compute on: leave it out, or name cpu, cuda or "
            "cuda:1, say"
        ) from error
    return device


def refuse_different(folders: Sequence[ModelFolder]) -> None:
    """Stops at an ensemble of models that do not read and write the same."""
    first, *others = folders
    for other in others:
        for name in (SUBWORDS, SOURCE, TARGET):
            if first.hash_of(name) != other.hash_of(name):
                raise UserError(
                    f"{first.path} and {other.path} differ in {name}: an ensemble is of models "
                    "trained on the same binarised text"
                )
        if (first.description.source, first.description.target) != (
            other.description.source,
            other.description.target,
        ):
            raise UserError(
                f"{first.path} and {other.path} are of different languages or tokenizers: "
                "name models of one kind"
            )
