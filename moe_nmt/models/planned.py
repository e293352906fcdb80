"""A model that is only planned: options from a name or a file, no memory for its weights."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import torch
import yaml
from fairseq.data import Dictionary
from fairseq.models import ARCH_MODEL_NAME_REGISTRY, MODEL_DATACLASS_REGISTRY, MODEL_REGISTRY
from omegaconf import OmegaConf
from omegaconf.errors import OmegaConfBaseException

import moe_nmt.models.gnmt_moe
import moe_nmt.models.language_model  # noqa: F401
from moe_nmt.errors import UserError, first_line
from moe_nmt.models.architectures import ARCHITECTURES


def configured(arch: str, options: Sequence[str] = ()) -> tuple[str, Any]:
    """The kind and the options of a named architecture, with others in place of some.

    Args:
        arch: a key of ``ARCHITECTURES``.
        options: NAME=VALUE, as the model's options are called, with - or _.

    Raises:
        UserError: there is no such option, or its value is none.
    """
    kind = ARCH_MODEL_NAME_REGISTRY[arch]
    config = MODEL_DATACLASS_REGISTRY[kind](**ARCHITECTURES[arch])
    given = {}
    for option in options:
        name, sign, value = option.partition("=")
        if not sign:
            raise UserError(f"--model {option}: write it as NAME=VALUE, as in experts=64")
        given[name.replace("-", "_")] = value
    return kind, with_options(config, given)


def configured_by_file(path: Path) -> tuple[str, Any]:
    """The kind and the options of the model in a file for fairseq-hydra-train.

    Raises:
        UserError: it has no model of ours.
    """
    try:
        with path.open(encoding="utf-8") as file:
            model = dict(yaml.safe_load(file)["model"])
        kind = model.pop("_name")
        config = MODEL_DATACLASS_REGISTRY[kind]()
    except OSError as error:
        raise UserError(f"{path}: {error.strerror}") from error
    except (yaml.YAMLError, KeyError, TypeError, ValueError) as error:
        raise UserError(
            f"{path} describes no model: it needs a part model with _name: gnmt_moe or lstm_moe_lm"
        ) from error
    return kind, with_options(config, model)


def configured_by_options(kind: str, options: Mapping[str, Any]) -> Any:
    """The options of a model of a kind, the paper's but for those given by name."""
    return with_options(MODEL_DATACLASS_REGISTRY[kind](), options)


def with_options(config: Any, given: Mapping[str, Any]) -> Any:
    """Options of a model, a dataclass, with other values, which are checked for their types."""
    try:
        merged: Any = OmegaConf.merge(OmegaConf.structured(config), dict(given))
    except OmegaConfBaseException as error:
        raise UserError(f"the model's options: {first_line(error)}") from error
    for name in given:
        setattr(config, name, merged[name])
    return config


def built_without_memory(kind: str, config: Any, vocabulary: int) -> Any:
    """A model on the meta device, for a dictionary of so many words."""
    dictionary = Dictionary()
    for index in range(vocabulary - len(dictionary)):
        dictionary.add_symbol(f"word{index}")
    task = SimpleNamespace(source_dictionary=dictionary, target_dictionary=dictionary)
    with torch.device("meta"):
        return MODEL_REGISTRY[kind].build_model(config, task)
