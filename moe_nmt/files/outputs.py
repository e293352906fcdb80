"""Outputs that are inputs or each other: refused before anything is written."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from moe_nmt.errors import UserError


def refuse_overwriting(outputs: Sequence[Path | None], inputs: Sequence[Path | None]) -> None:
    """Stops where a file would be written over an input, or over another output.

    Whatever a path is called: links and other spellings are followed.  What is no file yet, or a
    device, is nobody's.

    Raises:
        UserError: which one.
    """
    read = {path.resolve() for path in inputs if path is not None and path.is_file()}
    written: set[Path] = set()
    for path in outputs:
        if path is None or (path.exists() and not path.is_file()):
            continue
        if path.resolve() in read:
            raise UserError(f"{path} is an input too and would be lost: name another output")
        if path.resolve() in written:
            raise UserError(f"{path} is named for two outputs: give each its own")
        written.add(path.resolve())
