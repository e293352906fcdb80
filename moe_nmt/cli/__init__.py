"""The project's commands: they read options, then import and call the library.

Options are read first because torch and fairseq take seconds to import.
"""

from __future__ import annotations

import argparse
import logging
import warnings
from typing import Any

from moe_nmt import __version__

# fairseq tells of a package that only its speech tasks would use, and of each dictionary it reads;
# torch that fairseq's torch.jit.script is old.
for name in ("text_to_speech", "translation"):
    logging.getLogger(f"fairseq.tasks.{name}").setLevel(logging.WARNING)
logging.getLogger("asyncio").setLevel(logging.WARNING)  # which tells of its selector
warnings.filterwarnings("ignore", message="`torch.jit.script` is deprecated")


def command_parser(description: str, **options: Any) -> argparse.ArgumentParser:
    """A parser that knows ``--version``; ``options`` are those of ArgumentParser."""
    parser = argparse.ArgumentParser(description=description, **options)
    parser.add_argument("--version", action="version", version=f"moe_nmt {__version__}")
    return parser
