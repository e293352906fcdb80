"""``moe-nmt-serve``: translates over HTTP, with a page to try it."""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from pathlib import Path

from moe_nmt.cli import command_parser
from moe_nmt.cli.numbers import positive
from moe_nmt.errors import UserError, ending_in_a_sentence


def build_parser() -> argparse.ArgumentParser:
    """The options."""
    parser = command_parser(
        "Serves a model folder: POST /translate, GET /healthz, and a page at /.",
        prog="moe-nmt-serve",
    )
    parser.add_argument(
        "folders",
        nargs="+",
        type=Path,
        metavar="FOLDER",
        help="of moe-nmt-pack; several are an ensemble",
    )
    parser.add_argument("--host", default="127.0.0.1", help="%(default)s: this machine alone")
    parser.add_argument("--port", type=int, default=8000, metavar="N", help="%(default)s; 0: any")
    parser.add_argument(
        "--waiting",
        type=positive,
        default=256,
        metavar="N",
        help="sentences that may wait; others are answered 503 (%(default)s)",
    )
    parser.add_argument(
        "--batch",
        type=positive,
        default=64,
        metavar="N",
        help="sentences translated together (%(default)s)",
    )
    parser.add_argument("--threads", type=positive, metavar="N", help="of the CPU; default: all")
    parser.add_argument("--precision", choices=("fp32", "bf16"), default="fp32")
    parser.add_argument(
        "--device", metavar="NAME", help="default: a GPU where there is one, or cpu"
    )
    return parser


@ending_in_a_sentence()
def main(arguments: Sequence[str] | None = None) -> None:
    """The command line."""
    args = build_parser().parse_args(arguments)

    import torch

    from moe_nmt.translation.loading import load

    try:
        from moe_nmt.serving.app import Limits, build_app
        from moe_nmt.serving.server import hosts_of, listening, serve
    except ImportError as error:
        raise UserError(
            "moe-nmt-serve needs the packages starlette and uvicorn: pip install starlette uvicorn"
        ) from error

    if args.threads is not None:
        torch.set_num_threads(args.threads)
    listener = listening(args.host, args.port)
    translator = load(*args.folders, device=args.device, precision=args.precision)
    title = ", ".join(folder.resolve().name for folder in args.folders)
    limits = Limits(waiting=args.waiting, batch=args.batch)
    serve(build_app(translator, limits, title, hosts_of(args.host)), listener)


if __name__ == "__main__":
    main()
