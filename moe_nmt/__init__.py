"""Neural machine translation with mixture-of-experts recurrent networks, a plugin for fairseq.

``--user-dir moe_nmt`` makes fairseq import this package, which then registers its models,
criterion, task, optimizer and schedule.  Imported without fairseq it does nothing, so that the
layer, ``moe_nmt.moe``, and the modules, ``moe_nmt.modules``, can serve any torch program.
"""

import sys

__version__ = "0.1.0"

if "fairseq" in sys.modules:
    from moe_nmt import plugin  # noqa: F401
