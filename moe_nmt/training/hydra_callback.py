"""Loads the plugin before fairseq-hydra-train starts its workers.

A configuration names it:

    hydra:
      callbacks:
        moe_nmt:
          _target_: moe_nmt.training.hydra_callback.LoadsPlugin
"""

from hydra.experimental.callback import Callback

import moe_nmt.plugin  # noqa: F401


class LoadsPlugin(Callback):
    """Nothing more: by the time that hydra makes one, the plugin is loaded."""
