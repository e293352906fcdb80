"""What moe-nmt-prepare says of the data beside it: how the text became subwords, and its origin."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from moe_nmt.corpus.preparation.result import NAME
from moe_nmt.errors import UserError
from moe_nmt.files.hashes import sha256


def preparation_of(data: Path) -> dict[str, Any] | None:
    """The contents of preparation.json, where it is of this data; None where there is none.

    Args:
        data: a folder of binarised text.

    Raises:
        UserError: it is of other dictionaries or subwords than those that are there now.
    """
    file = data.parent / NAME
    try:
        said: dict[str, Any] = json.loads(file.read_text(encoding="utf-8"))
    except FileNotFoundError:
        return None
    except (OSError, ValueError) as error:
        raise UserError(f"cannot read {file}: {error}; run moe-nmt-prepare again") from error
    dictionaries = [entry for side, entry in said["dictionaries"].items() if side != "joined"]
    if any(
        data.parent / entry["file"] != data / Path(entry["file"]).name for entry in dictionaries
    ):
        return None  # of another folder beside this one
    for entry in filter(None, (*dictionaries, said["subwords"])):
        path = data.parent / entry["file"]
        if not path.is_file() or sha256(path) != entry["sha256"]:
            raise UserError(
                f"{path} is not what moe-nmt-prepare made, by {file}: run it again, and train anew"
            )
    return said


def origin(said: dict[str, Any]) -> dict[str, Any]:
    """What of it a model card should tell."""
    return {"command": said["command"], **said["training"]}
