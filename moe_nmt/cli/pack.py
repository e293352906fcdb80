"""``moe-nmt-pack``: makes a folder for raw text of a trained model and its data."""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from pathlib import Path

from moe_nmt.cli import command_parser
from moe_nmt.cli.search_options import add_search_options, given, limits_of_options
from moe_nmt.errors import ending_in_a_sentence


def build_parser() -> argparse.ArgumentParser:
    """The options."""
    parser = command_parser(
        "Makes a folder of a checkpoint, its dictionaries and its subwords, for moe-nmt-translate.",
        prog="moe-nmt-pack",
    )
    parser.add_argument("checkpoint", type=Path, help="of fairseq-train or moe-nmt-average")
    parser.add_argument("--output", type=Path, required=True, metavar="FOLDER")
    parser.add_argument(
        "--data",
        type=Path,
        metavar="FOLDER",
        help="of fairseq-preprocess; default: the one that the training read",
    )
    parser.add_argument(
        "--subword",
        type=Path,
        metavar="FILE",
        help="the model of the subwords; default: subword.model in or beside --data",
    )
    parser.add_argument(
        "--tokenizer",
        choices=("none", "moses"),
        help="what split the text before its subwords; default: moses where they are of tokens "
        "(marked by @@), else none",
    )
    parser.add_argument(
        "--scores", type=Path, metavar="FILE", help="of moe-nmt-score --json, for the model card"
    )
    add_search_options(parser, "how the folder is used unless it is told otherwise")
    parser.add_argument(
        "--language",
        metavar="CODE",
        help="of a language model, as in en; default: as moe-nmt-prepare was told",
    )
    parser.add_argument("--licence", metavar="NAME", help="of the model, for the model card")
    return parser


@ending_in_a_sentence()
def main(arguments: Sequence[str] | None = None) -> None:
    """The command line."""
    args = build_parser().parse_args(arguments)

    from moe_nmt.translation.pack import Request, pack

    request = Request(
        checkpoint=args.checkpoint,
        output=args.output,
        data=args.data,
        subwords=args.subword,
        tokenizer=args.tokenizer,
        search=given(args),
        scores=args.scores,
        licence=args.licence,
        language=args.language,
    )
    with limits_of_options():
        pack(request)
    print(f"use it on raw text with: moe-nmt-translate {args.output} < FILE")


if __name__ == "__main__":
    main()
