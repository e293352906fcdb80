"""The kinds of models that a folder may hold, and in what they differ."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from moe_nmt.models import gnmt_moe, language_model
from moe_nmt.models.config import GNMTMoEConfig, LSTMMoELanguageModelConfig, MixtureConfig
from moe_nmt.models.gnmt_moe import GNMTMoEModel
from moe_nmt.models.language_model import LSTMMoELanguageModel
from moe_nmt.translation.settings import CompletionSettings, SearchSettings, Settings

SOURCE, TARGET, WORDS = "source.dict.txt", "target.dict.txt", "dict.txt"


@dataclass(frozen=True)
class Kind:
    """A kind of models.

    Args:
        name: in model.json.
        model: its class.
        config: of its options.
        build: a model of options, source and target dictionary.
        settings: of its search.
        dictionaries: their names in a folder, of what is read and of what is written.
    """

    name: str
    model: type[GNMTMoEModel] | type[LSTMMoELanguageModel]
    config: type[MixtureConfig]
    build: Callable[[Any, Any, Any], Any]
    settings: type[Settings]
    dictionaries: tuple[str, str]


TRANSLATION = Kind(
    "translation",
    GNMTMoEModel,
    GNMTMoEConfig,
    lambda config, *words: gnmt_moe.build_model(GNMTMoEModel, config, *words),
    SearchSettings,
    (SOURCE, TARGET),
)
LANGUAGE = Kind(
    "language model",
    LSTMMoELanguageModel,
    LSTMMoELanguageModelConfig,
    lambda config, words, _: language_model.build_model(LSTMMoELanguageModel, config, words),
    CompletionSettings,
    (WORDS, WORDS),
)
KINDS = {kind.name: kind for kind in (TRANSLATION, LANGUAGE)}
