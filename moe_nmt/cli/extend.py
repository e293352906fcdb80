"""``moe-nmt-extend``: gives a checkpoint the words of other data, to train it further on them."""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from pathlib import Path

from moe_nmt.cli import command_parser
from moe_nmt.cli.numbers import seed
from moe_nmt.errors import ending_in_a_sentence
from moe_nmt.files.outputs import refuse_overwriting


def build_parser() -> argparse.ArgumentParser:
    """The options."""
    parser = command_parser(
        "Gives a checkpoint the vocabulary of other data: the words it knows keep their vectors, "
        "new ones get some.",
        prog="moe-nmt-extend",
    )
    parser.add_argument("checkpoint", type=Path, help="of fairseq-train or moe-nmt-average")
    parser.add_argument(
        "--data",
        type=Path,
        required=True,
        metavar="FOLDER",
        help="of fairseq-preprocess, to train on",
    )
    parser.add_argument(
        "--old-data",
        type=Path,
        metavar="FOLDER",
        help="that the checkpoint was trained on; default: as it says",
    )
    parser.add_argument("--output", type=Path, required=True, metavar="FILE")
    parser.add_argument("--seed", type=seed, default=1, metavar="N", help="default %(default)s")
    return parser


@ending_in_a_sentence()
def main(arguments: Sequence[str] | None = None) -> None:
    """The command line."""
    args = build_parser().parse_args(arguments)

    from moe_nmt.checkpoints.reading import allow_fairseq_types
    from moe_nmt.checkpoints.vocabulary import extended
    from moe_nmt.checkpoints.writing import save

    refuse_overwriting([args.output], [args.checkpoint])
    allow_fairseq_types()
    state, fresh = extended(args.checkpoint, args.old_data, args.data, args.seed)
    save(state, args.output)
    print(f"{args.output} has {fresh:,} new words; train it further with")
    print(f"fairseq-train {args.data} --finetune-from-model {args.output} ...")


if __name__ == "__main__":
    main()
