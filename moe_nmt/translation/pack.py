"""Makes a model folder of a checkpoint of fairseq-train and of the data it was trained on."""

from __future__ import annotations

import re
from argparse import Namespace
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from importlib.metadata import version
from pathlib import Path
from typing import Any

import omegaconf
from fairseq import checkpoint_utils
from fairseq.data import Dictionary

import moe_nmt.plugin  # noqa: F401
from moe_nmt import __version__
from moe_nmt.checkpoints.reading import read
from moe_nmt.checkpoints.shards import refuse_sharded
from moe_nmt.checkpoints.vocabulary import recorded_data
from moe_nmt.corpus.cleaning.normalise import WORD_START
from moe_nmt.corpus.subwords import subword
from moe_nmt.corpus.subwords.byte_pairs import CONTINUED
from moe_nmt.corpus.subwords.pieces import OF_TOKENS, WORDS, kind_of
from moe_nmt.errors import LimitError, UserError, first_line
from moe_nmt.files.hashes import sha256
from moe_nmt.models.config import completed
from moe_nmt.models.gnmt_moe import GNMTMoEModel
from moe_nmt.models.language_model import LSTMMoELanguageModel
from moe_nmt.translation.card import model_card
from moe_nmt.translation.description import Description, Side
from moe_nmt.translation.kinds import KINDS, LANGUAGE, Kind
from moe_nmt.translation.kinds import WORDS as WORDS_FILE
from moe_nmt.translation.model_folder import SUBWORDS, moses, write
from moe_nmt.translation.prepared import origin, preparation_of
from moe_nmt.translation.text_model import Model

PACKAGES = ("torch", "fairseq-fixed", "safetensors", "sentencepiece", "subword-nmt")
# What of a checkpoint's configuration tells how it was trained; None: all of a section.
TRAINING: dict[str, tuple[str, ...] | None] = {
    "common": ("seed", "fp16", "bf16"),
    "dataset": ("max_tokens", "batch_size"),
    "optimization": ("max_epoch", "max_update", "clip_norm", "update_freq"),
    "optimizer": None,
    "lr_scheduler": None,
    "criterion": None,
}
UNDETERMINED = "und"  # a language's code in ISO 639
LEAST_SHARE = 0.98  # of a dictionary's subwords that their model must know: some texts lack a few


@dataclass(frozen=True)
class Request:
    """What is to be packed.

    Args:
        checkpoint: of fairseq-train, or averaged.
        output: the folder to make.
        data: made by fairseq-preprocess; None: where the training found it.
        subwords: the model that made the source's subwords; None: subword.model in or beside
            ``data``.
        tokenizer: "none" or "moses", what was there before the subwords; None: moses where these
            are of tokens.
        search: fields of the model's settings that differ from their defaults.
        scores: for the card: as moe-nmt-score --json writes them.
        licence: for the card.
        language: the code of a language model's; None: as moe-nmt-prepare says, or unknown.
    """

    checkpoint: Path
    output: Path
    data: Path | None = None
    subwords: Path | None = None
    tokenizer: str | None = None
    search: Mapping[str, Any] = field(default_factory=dict)
    scores: Path | None = None
    licence: str | None = None
    language: str | None = None


def pack(request: Request) -> Path:
    """Writes the folder that is asked for, and returns its path.

    Raises:
        UserError: what is missing, or does not belong together.
        LimitError: a setting of the search is outside its limits.
    """
    checkpoint = request.checkpoint
    state = read(checkpoint)
    refuse_sharded(checkpoint, state)
    if request.output.exists():
        raise UserError(f"{request.output} exists: name another --output, or remove it first")
    data = request.data or recorded_data(checkpoint, state, "--data")
    model, configuration, task = loaded(checkpoint, data)
    kind = next(kind for kind in KINDS.values() if isinstance(model, kind.model))
    kind.settings.refuse_others(request.search)
    search = kind.settings(**request.search)
    said = preparation_of(data)
    languages = languages_of(kind, task, request.language, said)
    dictionaries = task.source_dictionary, task.target_dictionary
    files = {
        name: data / (WORDS_FILE if kind is LANGUAGE else f"dict.{language}.txt")
        for name, language in zip(kind.dictionaries, languages, strict=True)
    }
    read_file = files[kind.dictionaries[0]]
    pieces = [kind_of(dictionary.symbols[dictionary.nspecial :]) for dictionary in dictionaries]
    subwords = request.subwords or subwords_near(data) if pieces[0] != WORDS else request.subwords
    if subwords is not None:
        check_subwords(subwords, pieces[0], dictionaries[0], read_file)
        files[SUBWORDS] = subwords
    elif pieces[0] != WORDS:
        raise UserError(
            f"{read_file} is of subwords, and there is no subword.model in or beside {data}: "
            "name their model with --subword"
        )
    source, target = (
        Side(language, one, request.tokenizer or tokenizer_of(one, said))
        for language, one in zip(languages, pieces, strict=True)
    )
    moses(source), moses(target)  # whether there are rules for these languages
    description = Description(
        source,
        target,
        options_of(kind, configuration.model),
        search,
        {**training_of(checkpoint, state, configuration), "data": said and origin(said)},
        {"moe_nmt": __version__, **{package: version(package) for package in PACKAGES}},
        kind=kind.name,
    )
    parameters = sum(parameter.numel() for parameter in model.parameters())
    card = model_card(request.output.name, description, parameters, request.licence, request.scores)
    write(request.output, description, model, files, card)
    return request.output


def loaded(checkpoint: Path, data: Path) -> tuple[Model, Any, Any]:
    """A checkpoint's model, its configuration and its task."""
    try:
        models, configuration, task = checkpoint_utils.load_model_ensemble_and_task(
            [str(checkpoint)], arg_overrides={"data": str(data), "experts_precision": "fp32"}
        )
    except UserError:
        raise
    except Exception as error:  # fairseq raises what comes, an unknown task's AssertionError, say
        raise UserError(
            f"{checkpoint} cannot be loaded with {data} ({type(error).__name__}: "
            f"{first_line(error)}): name a checkpoint of fairseq-train --user-dir moe_nmt and the "
            "--data of its training"
        ) from error
    if not isinstance(models[0], GNMTMoEModel | LSTMMoELanguageModel):
        raise UserError(f"{checkpoint} is of a model of another project: only ours can be packed")
    if getattr(task.cfg, "add_bos_token", False):
        raise UserError(
            f"{checkpoint} was trained with --add-bos-token, and folders begin sentences as "
            "without it: train without"
        )
    return models[0], configuration, task


def languages_of(
    kind: Kind, task: Any, named: str | None, said: Mapping[str, Any] | None
) -> tuple[str, str]:
    """The codes of both languages; a language model's text has one.

    Args:
        kind: of the model.
        task: of its training.
        named: the language that the user says.
        said: by moe-nmt-prepare.

    Raises:
        LimitError: a translation model's languages are those of its data.
    """
    if kind is LANGUAGE:
        language = named or (said["languages"]["source"] if said else UNDETERMINED)
        return language, language
    if named is not None:
        raise LimitError("language", "is for language models: a translation model's are known")
    return task.cfg.source_lang, task.cfg.target_lang


def options_of(kind: Kind, configuration: Any) -> dict[str, Any]:
    """A model's options, without what fairseq adds to them."""
    values: dict[str, Any] = plain(asdict(completed(kind.config, configuration)))
    return {name: value for name, value in values.items() if not name.startswith("_")}


def subwords_near(data: Path) -> Path | None:
    """Where moe-nmt-prepare puts the model of subwords, and where one may lie by hand."""
    places = (data / SUBWORDS, data.parent / SUBWORDS)
    return next((place for place in places if place.is_file()), None)


def tokenizer_of(kind: str, said: dict[str, Any] | None) -> str:
    """What made tokens of the text: as moe-nmt-prepare says, or as such subwords are made."""
    is_moses = kind == OF_TOKENS if said is None else said["tokenisation"] is not None
    return "moses" if is_moses else "none"


def check_subwords(model: Path, kind: str, dictionary: Dictionary, file: Path) -> None:
    """Stops unless a dictionary's subwords are those of their model."""
    known = subword.load(model).known()
    entries = [entry for entry in dictionary.symbols[dictionary.nspecial :] if is_long(entry)]
    share = sum(entry in known for entry in entries) / max(1, len(entries))
    if kind == WORDS or share < LEAST_SHARE:
        raise UserError(
            f"{model} knows {share:.0%} of the subwords in {file}: name the model that the text "
            "was segmented with by --subword"
        )


def is_long(entry: str) -> bool:
    """Whether an entry is a subword of more than a character, of which a text may have any."""
    is_filler = re.fullmatch(r"madeupword\d{4}", entry)  # fairseq fills dictionaries up with them
    return not is_filler and len(entry.removesuffix(CONTINUED).strip(WORD_START)) > 1


def training_of(checkpoint: Path, state: dict[str, Any], configuration: Any) -> dict[str, Any]:
    """Where a model comes from."""
    history = state.get("optimizer_history") or [{}]
    facts = {
        "checkpoint": checkpoint.name,
        "sha256": sha256(checkpoint),
        "architecture": configuration.model.get("_name"),
        "updates": history[-1].get("num_updates"),
    }
    options = plain(configuration)
    for section, names in TRAINING.items():
        values = options.get(section) or {}
        facts[section] = values if names is None else {name: values.get(name) for name in names}
    return facts


def plain(value: Any) -> Any:
    """A configuration as JSON can have it."""
    if isinstance(value, omegaconf.DictConfig | omegaconf.ListConfig):
        value = omegaconf.OmegaConf.to_container(value, enum_to_str=True)
    if isinstance(value, Namespace):
        value = vars(value)
    if isinstance(value, dict):
        return {str(key): plain(one) for key, one in value.items()}
    if isinstance(value, list | tuple):
        return [plain(one) for one in value]
    return value if value is None or isinstance(value, bool | int | float) else str(value)
