"""Writes a checkpoint whole or not at all."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import torch

from moe_nmt.errors import UserError
from moe_nmt.files.text import written_whole


def save(state: dict[str, Any], output: Path) -> None:
    """Writes what ``reading.read`` reads.

    Raises:
        UserError: it cannot be written.
    """
    with written_whole(output) as temporary:
        try:
            torch.save(state, temporary)
        except RuntimeError as error:  # torch hides the reason
            raise UserError(
                f"cannot write {output}: is the disk full? torch says {str(error)[:90]!r}"
            ) from error
