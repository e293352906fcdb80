"""Loads model folders."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import torch

from moe_nmt.errors import UserError
from moe_nmt.translation.completer import Completer
from moe_nmt.translation.kinds import LANGUAGE
from moe_nmt.translation.model_folder import SUBWORDS, ModelFolder
from moe_nmt.translation.translator import Translator

PRECISIONS = ("fp32", "bf16")


def load(
    *folders: str | os.PathLike[str], device: str | None = None, precision: str = "fp32"
) -> Translator | Completer:
    """Loads one model, or several as an ensemble that averages their probabilities.

    Args:
        folders: made by ``moe-nmt-pack``; those of an ensemble have the same dictionaries and
            subwords, and the first one's settings of the search are taken.
        device: as torch names it; None: a GPU where there is one.
        precision: "fp32", or "bf16", in which the weights take half the memory.

    Returns:
        A ``Translator``, or of language models a ``Completer``.

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
    description = read[0].description
    kind: Any = Completer if description.of_kind is LANGUAGE else Translator
    loaded: Translator | Completer = kind(models, read[0].languages(), description.search)
    return loaded


def load_translator(*folders: Path, device: str | None, precision: str) -> Translator:
    """The same for what only a translation model can do.

    Raises:
        UserError: it is a language model, too.
    """
    model = load(*folders, device=device, precision=precision)
    if not isinstance(model, Translator):
        raise UserError(
            f"{folders[0]} is {model.settings.model}, which translates nothing: let "
            "moe-nmt-translate go on with beginnings"
        )
    return model


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
        if first.description.kind != other.description.kind:
            kinds = [folder.description.of_kind.settings.model for folder in (first, other)]
            raise UserError(
                f"{first.path} is {kinds[0]} and {other.path} {kinds[1]}: an ensemble is of models "
                "of one kind"
            )
        for name in (SUBWORDS, *first.description.of_kind.dictionaries):
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
