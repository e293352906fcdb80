"""Neural machine translation with mixture-of-experts recurrent networks, a plugin for fairseq.

Importing it does nothing to anybody: the layer, ``moe_nmt.moe``, and the modules,
``moe_nmt.modules``, serve any torch program.  ``--user-dir moe_nmt``, or ``import moe_nmt.plugin``,
registers models, criterion, task, optimizer and schedule with fairseq.  ``load`` opens a folder of
``moe-nmt-pack``, to translate raw text.
"""

from __future__ import annotations

import importlib
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from moe_nmt.translation.loading import load as load

__version__ = "0.1.0"


class UserDir(list[str]):
    """The package's ``__path__``, in which fairseq looks for a ``--user-dir`` it finds imported.

    Of one that it imports itself fairseq imports ``tasks`` and ``models`` too, but not of one that
    somebody has imported before: then it asks whether the folder is in this list, and goes on
    (fairseq/utils.py, import_user_module).  So this is the moment to register.
    """

    def __contains__(self, folder: object) -> bool:
        if not any(Path(str(folder)).samefile(place) for place in self):
            return False
        importlib.import_module("moe_nmt.plugin")
        return True


__path__ = UserDir(__path__)


def __getattr__(name: str) -> Any:
    """``load``, which takes seconds to import."""
    if name == "load":
        return importlib.import_module("moe_nmt.translation.loading").load
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
