"""``moe-nmt-average``: averages the parameters of several checkpoints of one training."""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from pathlib import Path

from moe_nmt.checkpoints.names import KINDS
from moe_nmt.cli import command_parser
from moe_nmt.errors import ending_in_a_sentence


def build_parser() -> argparse.ArgumentParser:
    """The options."""
    parser = command_parser(
        "Averages the models of fairseq checkpoints into one for fairseq-generate.",
        prog="moe-nmt-average",
    )
    parser.add_argument("--output", type=Path, required=True, metavar="FILE")
    choice = parser.add_mutually_exclusive_group()
    choice.add_argument(
        "--last", type=int, metavar="N", help="take the last N of the folder named instead"
    )
    choice.add_argument(
        "--best", type=int, metavar="N", help="take the N of the folder that validated best"
    )
    choice.add_argument(
        "--between",
        type=int,
        nargs=2,
        metavar=("FIRST", "LAST"),
        help="take those of the folder from one epoch, or update, to another, both included",
    )
    parser.add_argument(
        "--kind",
        choices=[*KINDS],
        help="with --last and --between: checkpointN.pt (epoch) or checkpoint_E_N.pt (update), "
        "needed where the folder has both",
    )
    parser.add_argument("checkpoints", nargs="+", type=Path, metavar="CHECKPOINT")
    return parser


def check(parser: argparse.ArgumentParser, args: argparse.Namespace) -> None:
    """Stops at options that do not go together."""
    by_number = args.last is not None or args.between is not None
    if args.kind is not None and not by_number:
        parser.error("--kind is for --last and --between")
    if (by_number or args.best is not None) and len(args.checkpoints) != 1:
        parser.error("--last, --best and --between take one folder")


def choose(args: argparse.Namespace) -> list[Path]:
    """The checkpoints that were asked for."""
    from moe_nmt.checkpoints.choice import best, between, last

    paths: list[Path] = args.checkpoints
    if args.last is not None:
        return last(paths[0], args.last, args.kind)
    if args.best is not None:
        return best(paths[0], args.best)
    if args.between is not None:
        first, final = args.between
        return between(paths[0], first, final, args.kind)
    return paths


@ending_in_a_sentence()
def main(arguments: Sequence[str] | None = None) -> None:
    """The command line."""
    parser = build_parser()
    args = parser.parse_args(arguments)
    check(parser, args)

    from moe_nmt.checkpoints.average import average
    from moe_nmt.checkpoints.reading import allow_fairseq_types
    from moe_nmt.checkpoints.writing import save

    allow_fairseq_types()
    paths = choose(args)
    if args.output.resolve() in {path.resolve() for path in paths}:
        parser.error(f"--output {args.output} is one of the checkpoints: name another file")
    state = average(paths)
    save(state, args.output)
    print(f"averaged {', '.join(str(path) for path in paths)} to {args.output}")


if __name__ == "__main__":
    main()
