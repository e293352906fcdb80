"""The options of the search that packing and translating share."""

from __future__ import annotations

import argparse
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from moe_nmt.errors import LimitError, UserError

# Fields of the settings of either kind of model: their types and what they are.
SEARCH: dict[str, tuple[type, str, str]] = {
    "beam": (int, "N", "hypotheses that are followed"),
    "length_penalty_alpha": (float, "X", "0: no length penalty"),
    "coverage_penalty_beta": (float, "X", "0: no coverage penalty"),
    "token_pruning": (float, "X", "inf: none"),
    "hypothesis_pruning": (float, "X", "inf: none"),
    "max_len_a": (float, "A", "a translation of x subwords has at most A x + B"),
    "max_len_b": (int, "B", "that B; of a language model, A x + B more follow on x"),
    "lenpen": (float, "X", "of a language model: the score is log P / length^X"),
    "sampling": (bool, "", "of a language model: draw words instead of searching"),
    "sampling_topk": (int, "N", "draw from the N most likely words; 0: from all"),
    "sampling_topp": (float, "P", "draw from the most likely words of probability P together"),
    "temperature": (float, "X", "of a language model: below 1 likely words are likelier"),
    "seed": (int, "N", "of what is drawn"),
}


def add_search_options(parser: argparse.ArgumentParser, description: str) -> None:
    """Adds them to a command, under a heading of their own."""
    group = parser.add_argument_group("search", description)
    for name, (kind, metavar, meaning) in SEARCH.items():
        option = f"--{name.replace('_', '-')}"
        if kind is bool:
            group.add_argument(option, action=argparse.BooleanOptionalAction, help=meaning)
        else:
            group.add_argument(option, type=kind, metavar=metavar, help=meaning)


def given(args: argparse.Namespace) -> dict[str, Any]:
    """Those that the user has given."""
    return {name: value for name in SEARCH if (value := getattr(args, name)) is not None}


@contextmanager
def limits_of_options() -> Iterator[None]:
    """A value outside its limits becomes a sentence that names the option."""
    try:
        yield
    except LimitError as error:
        raise UserError(f"--{error.name.replace('_', '-')} {error.limits}") from error
