"""``python -m moe_nmt.cli.stage``: runs one stage of a recipe unless it is done."""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from pathlib import Path

from moe_nmt.cli import command_parser
from moe_nmt.errors import ending_in_a_sentence
from moe_nmt.files.command_stage import run_command


@ending_in_a_sentence()
def main(arguments: Sequence[str] | None = None) -> None:
    """The command line."""
    parser = command_parser(
        description="Runs a command unless its outputs are there and its inputs and options are "
        "those of the last time.  {checkout} in it stands for the folder of moe_nmt's sources."
    )
    parser.add_argument("name", help="of the stage")
    parser.add_argument("--inputs", nargs="+", default=[], metavar="FILE")
    parser.add_argument("--outputs", nargs="+", default=[], metavar="PATH", type=Path)
    parser.add_argument("--stdout", metavar="FILE", type=Path, help="takes the standard output")
    parser.add_argument(
        "--resumable", action="store_true", help="the command goes on from its own outputs"
    )
    parser.add_argument("--run", nargs=argparse.REMAINDER, required=True, metavar="COMMAND")
    args = parser.parse_args(arguments)
    if not args.run:
        parser.error("--run needs a command")
    run_command(args.name, args.run, args.inputs, args.outputs, args.stdout, args.resumable)


if __name__ == "__main__":
    main()
