"""Reads descriptions of corpora: plain data in YAML files."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import yaml

from moe_nmt.errors import UserError

FOLDER = "that python -m moe_nmt data prints"  # of the examples, wherever the package lies


@contextmanager
def description(path: Path, needs: str) -> Iterator[Any]:
    """A description's data; what is missing when it is looked at ends in one sentence too.

    ``needs`` tells what such a description must have.
    """
    try:
        yield yaml.safe_load(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise UserError(f"cannot read {path}: {error.strerror}") from error
    except (yaml.YAMLError, KeyError, TypeError, ValueError, AttributeError) as error:
        raise UserError(
            f"{path} is no corpus description ({type(error).__name__}: {error}): it needs {needs}"
        ) from error
