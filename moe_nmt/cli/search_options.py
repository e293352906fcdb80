"""The options of the search that packing and translating share."""

from __future__ import annotations

import argparse
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from moe_nmt.errors import LimitError, UserError

# Fields of SearchSettings: their types and what they are.
SEARCH: dict[str, tuple[type, str, str]] = {
    "beam": (int, "N", "hypotheses that are followed"),
    "length_penalty_alpha": (float, "X", "0: no length penalty"),
    "coverage_penalty_beta": (float, "X", "0: no coverage penalty"),
    "token_pruning": (float, "X", "inf: none"),
    "hypothesis_pruning": (float, "X", "inf: none"),
    "max_len_a": (float, "A", "a translation of x subwords has at most A x + B"),
    "max_len_b": (int, "B", "that B"),
}


def add_search_options(parser: argparse.ArgumentParser, description: str) -> None:
    """Adds them to a command, under a heading of their own."""
    group = parser.add_argument_group("search", description)
    for name, (kind, metavar, meaning) in SEARCH.items():
        group.add_argument(f"--{name.replace('_', '-')}", type=kind, metavar=metavar, help=meaning)


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
