"""How the options of every component are declared."""

from dataclasses import field
from typing import Any


def option(default: Any, help: str) -> Any:
    """A field of a fairseq dataclass: its default, and what --help says of it."""
    return field(default=default, metadata={"help": help})
