"""``moe-nmt-consolidate``: makes one file of a checkpoint in shards."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from moe_nmt.cli import command_parser
from moe_nmt.errors import ending_in_a_sentence


@ending_in_a_sentence()
def main(arguments: Sequence[str] | None = None) -> None:
    """The command line."""
    parser = command_parser(
        "Makes one ordinary checkpoint of one of fairseq-train --sharded-checkpoints, for "
        "fairseq-generate, say, and moe-nmt-average.",
        prog="moe-nmt-consolidate",
    )
    parser.add_argument("checkpoint", type=Path, help="a file of the folder of checkpoints")
    parser.add_argument("--output", type=Path, required=True, metavar="FILE")
    parser.add_argument(
        "--model-only",
        action="store_true",
        help="leave out the optimizer's state, most of the file, which only a training needs",
    )
    args = parser.parse_args(arguments)

    from moe_nmt.checkpoints.consolidate import consolidate
    from moe_nmt.checkpoints.reading import allow_fairseq_types

    allow_fairseq_types()
    consolidate(args.checkpoint, args.output, args.model_only)
    print(f"consolidated {args.checkpoint} to {args.output}")


if __name__ == "__main__":
    main()
