"""``moe-nmt-serve``: translates over HTTP, with a page to try it."""

from __future__ import annotations

import argparse
from collections.abc import Sequence

from moe_nmt.cli import command_parser
from moe_nmt.cli.model_options import add_model_options, loaded_translator
from moe_nmt.cli.numbers import positive
from moe_nmt.errors import UserError, ending_in_a_sentence


def build_parser() -> argparse.ArgumentParser:
    """The options."""
    parser = command_parser(
        "Serves a model folder: POST /translate, GET /healthz, and a page at /.",
        prog="moe-nmt-serve",
    )
    add_model_options(parser)
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
    return parser


@ending_in_a_sentence()
def main(arguments: Sequence[str] | None = None) -> None:
    """The command line."""
    args = build_parser().parse_args(arguments)

    try:
        from moe_nmt.serving.app import Limits, build_app
        from moe_nmt.serving.server import hosts_of, listening, serve
    except ImportError as error:
        raise UserError(
            "moe-nmt-serve needs the packages starlette and uvicorn: pip install starlette uvicorn"
        ) from error

    listener = listening(args.host, args.port)
    translator = loaded_translator(args)
    title = ", ".join(folder.resolve().name for folder in args.folders)
    limits = Limits(waiting=args.waiting, batch=args.batch)
    serve(build_app(translator, limits, title, hosts_of(args.host)), listener)


if __name__ == "__main__":
    main()
