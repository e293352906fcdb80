"""``moe-nmt-translate``: raw text in, raw text out, line for line."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence

from moe_nmt.cli import command_parser
from moe_nmt.cli.model_options import add_model_options, loaded
from moe_nmt.cli.numbers import positive
from moe_nmt.cli.search_options import add_search_options, given, limits_of_options
from moe_nmt.errors import UserError, ending_in_a_sentence


def build_parser() -> argparse.ArgumentParser:
    """The options."""
    parser = command_parser(
        "Translates raw text, one sentence a line, from the standard input to the standard output; "
        "of a language model, goes on with beginnings of sentences.",
        prog="moe-nmt-translate",
        epilog="On a keyboard, end with Ctrl-D.",
    )
    add_model_options(parser)
    output = parser.add_argument_group("what is written")
    output.add_argument(
        "--nbest",
        type=positive,
        default=1,
        metavar="N",
        help="the N best of each line, each after the line's number and a tab",
    )
    output.add_argument("--scores", action="store_true", help="the score and a tab before the text")
    output.add_argument(
        "--alignment",
        action="store_true",
        help="after the text a tab and pairs of words, as in 0-0 1-2: source-target",
    )
    output.add_argument(
        "--json-lines", action="store_true", help="all of that in one JSON object a line"
    )
    add_search_options(parser, "the model folder says what holds otherwise")
    parser.add_argument(
        "--split-longer-than",
        type=positive,
        metavar="N",
        help="cut lines of more than N subwords where sentences end; default: never",
    )
    work = parser.add_argument_group("batches")
    work.add_argument(
        "--max-tokens", type=positive, default=2000, metavar="N", help="subwords of a batch"
    )
    work.add_argument(
        "--window",
        type=positive,
        default=2000,
        metavar="N",
        help="lines that are read ahead and sorted by length, at most",
    )
    return parser


@ending_in_a_sentence()
def main(arguments: Sequence[str] | None = None) -> None:
    """The command line."""
    args = build_parser().parse_args(arguments)

    from moe_nmt.translation.windows import WholeWrites

    writes = WholeWrites()

    from moe_nmt.translation.stream import Columns, Options, answer_stream

    if sys.stdin is None or sys.stdout is None:
        raise UserError("the standard input or output is closed: there is nothing to translate")
    model = loaded(args)
    options = Options(
        columns=Columns(args.nbest, args.scores, args.alignment, args.json_lines),
        window=args.window,
        max_tokens=args.max_tokens,
        split_longer_than=args.split_longer_than,
        search=given(args),
    )
    with limits_of_options():
        answer_stream(model, sys.stdin.fileno(), sys.stdout.fileno(), writes, options)


if __name__ == "__main__":
    main()
