"""Chooses the search by fairseq's options: ours for beam search, fairseq's for all others."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from typing import Any

from fairseq.dataclass.configs import GenerationConfig

from moe_nmt.errors import LimitError, UserError
from moe_nmt.models.gnmt_moe import GNMTMoEModel
from moe_nmt.search.beam_search import SearchOptions
from moe_nmt.search.generator import Generator, LengthLimit
from moe_nmt.search.score import Score
from moe_nmt.search.unknown_words import UnknownWords, word_translations

logger = logging.getLogger(__name__)

# Options of fairseq's that ask for a search of its own, and their values where they do not.
OTHER_SEARCHES: dict[str, Any] = {
    "sampling": False,
    "match_source_len": False,
    "constraints": None,
    "lm_path": None,
    "no_repeat_ngram_size": 0,
    "diverse_beam_groups": -1,
    "diversity_rate": -1.0,
}

# The options of what SearchOptions and Score may refuse.
OPTIONS = {
    "beam": "--beam",
    "nbest": "--nbest",
    "alpha": "--length-penalty-alpha",
    "beta": "--coverage-penalty-beta",
    "token_pruning": "--token-pruning",
    "hypothesis_pruning": "--hypothesis-pruning",
    "unknown_penalty": "--unkpen",
}


def generation_options(args: Any) -> dict[str, Any]:
    """All of fairseq's options of generation, with its defaults where ``args`` says nothing."""
    return {
        name: getattr(args, name, default) for name, default in vars(GenerationConfig()).items()
    }


def other_search(models: Sequence[Any], args: Any) -> str | None:
    """What asks for fairseq's search, if anything does."""
    options = generation_options(args)
    for name, default in OTHER_SEARCHES.items():
        if options[name] != default:
            return f"--{name.replace('_', '-')}"
    if getattr(args, "prefix_allowed_tokens_fn", None) is not None:
        return "prefix_allowed_tokens_fn"
    if not all(isinstance(model, GNMTMoEModel) for model in models):
        return "a model of another --arch"
    return None


def check_other_search(name: str, args: Any) -> None:
    """Says what fairseq's search leaves out, or refuses what it cannot do."""
    if getattr(args, "replace_unk", None) is not None:
        raise UserError(f"--replace-unk does not go with {name}: leave out one of them")
    logger.warning(
        "moe_nmt: %s uses fairseq's search, whose scores follow --lenpen: the penalties alpha and "
        "beta and the prunings of --task expert_parallel_translation have no part in it",
        name,
    )


def build_generator(task: Any, models: Sequence[Any], args: Any) -> Generator:
    """GNMT's beam search with the options of the task and fairseq's.

    Args:
        task: with ``cfg``, a ``SearchConfig``; dictionaries; and data sets, unless sentences are
            typed in.
        models: to search with.
        args: fairseq's options of generation, or some of them.

    Raises:
        UserError: an option is wrong; the message names it and the remedy.
    """
    cfg, options = task.cfg, generation_options(args)
    if options["lenpen"] != 1 or options["unnormalized"]:
        raise UserError(
            "--lenpen and --unnormalized belong to fairseq's score: give "
            "--length-penalty-alpha and --coverage-penalty-beta, both 0 for log P alone"
        )
    alignment = options["print_alignment"] and str(options["print_alignment"])
    if alignment == "soft" and not task.datasets:
        raise UserError(
            "fairseq-interactive prints hard alignments only: use fairseq-generate, or "
            "--print-alignment hard"
        )
    for name in ("score_reference", "prefix_size"):
        has_references = task.datasets and all(d.tgt is not None for d in task.datasets.values())
        if options[name] and not has_references:
            raise UserError(
                f"--{name.replace('_', '-')} needs references: use fairseq-generate with "
                "data of both languages"
            )
    if not options["temperature"] > 0:
        raise UserError("--temperature must be greater than 0")
    try:
        search = SearchOptions(
            beam=options["beam"],
            nbest=options["nbest"],
            score=Score(cfg.length_penalty_alpha, cfg.coverage_penalty_beta),
            token_pruning=cfg.token_pruning,
            hypothesis_pruning=cfg.hypothesis_pruning,
            min_length=options["min_len"],
            unknown_penalty=options["unkpen"],
        )
    except LimitError as error:
        raise UserError(f"{OPTIONS[error.name]} {error.limits}") from error
    return Generator(
        models,
        task.target_dictionary,
        search,
        LengthLimit(options["max_len_a"], options["max_len_b"]),
        temperature=options["temperature"],
        alignment=alignment,
        unknown_words=unknown_words(task, options["replace_unk"]),
        score_reference=options["score_reference"],
    )


def unknown_words(task: Any, replace_unk: str | None) -> UnknownWords | None:
    """What replaces unknown words, where it is asked for."""
    translations = word_translations(replace_unk)
    if translations is None:
        return None
    replacing = UnknownWords(task.source_dictionary, task.target_dictionary, translations)
    for dataset in task.datasets.values():  # raw ones: fairseq-generate has seen to that
        replacing.read_again(dataset.src)
    return replacing
