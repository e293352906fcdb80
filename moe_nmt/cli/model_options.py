"""The model folders of a command, and how to compute with them."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import TYPE_CHECKING

from moe_nmt.cli.numbers import threads

if TYPE_CHECKING:
    from moe_nmt.translation.completer import Completer
    from moe_nmt.translation.translator import Translator


def add_model_options(parser: argparse.ArgumentParser) -> None:
    """Adds them to a command."""
    parser.add_argument(
        "folders",
        nargs="+",
        type=Path,
        metavar="FOLDER",
        help="of moe-nmt-pack; several are an ensemble",
    )
    group = parser.add_argument_group("how to compute")
    group.add_argument("--threads", type=threads, metavar="N", help="of the CPU; default: all")
    group.add_argument("--precision", choices=("fp32", "bf16"), default="fp32")
    group.add_argument("--device", metavar="NAME", help="default: a GPU where there is one, or cpu")


def loaded(args: argparse.Namespace) -> Translator | Completer:
    """The models that the options name."""
    from moe_nmt.translation import loading

    set_threads(args)
    return loading.load(*args.folders, device=args.device, precision=args.precision)


def loaded_translator(args: argparse.Namespace) -> Translator:
    """The same, refusing language models."""
    from moe_nmt.translation import loading

    set_threads(args)
    return loading.load_translator(*args.folders, device=args.device, precision=args.precision)


def set_threads(args: argparse.Namespace) -> None:
    """As many as the option says."""
    import torch

    if args.threads is not None:
        torch.set_num_threads(args.threads)
