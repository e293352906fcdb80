"""Where the YAML files lie that travel with the package: in it where it was installed, else beside.

``setup.py`` puts the project's folders ``configs`` and ``data`` into the package.
"""

from __future__ import annotations

from pathlib import Path

import moe_nmt
from moe_nmt.errors import UserError

CONFIGS, DESCRIPTIONS = "configs", "data"


def resources(folder: str) -> Path:
    """One of the folders above."""
    package = Path(moe_nmt.__file__).resolve().parent
    for found in (package / folder, package.parent / folder):
        if any(found.glob("*.yaml")):
            return found
    raise UserError(f"{package} was installed without its folder {folder}: install it again")
