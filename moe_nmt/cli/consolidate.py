"""``moe-nmt-consolidate``: makes one file of a checkpoint in shards."""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from pathlib import Path

from moe_nmt.checkpoints import allow_fairseq_types
from moe_nmt.consolidation import consolidate


def main(arguments: Sequence[str] | None = None) -> None:
    """The command line."""
    parser = argparse.ArgumentParser(
        prog="moe-nmt-consolidate",
        description="Makes one ordinary checkpoint of one of fairseq-train --sharded-checkpoints, "
        "for fairseq-generate, say, and moe-nmt-average.",
    )
    parser.add_argument("checkpoint", type=Path, help="a file of the folder of checkpoints")
    parser.add_argument("--output", type=Path, required=True, metavar="FILE")
    parser.add_argument(
        "--model-only",
        action="store_true",
        help="leave out the optimizer's state, most of the file, which only a training needs",
    )
    args = parser.parse_args(arguments)
    allow_fairseq_types()
    consolidate(args.checkpoint, args.output, args.model_only)
    print(f"consolidated {args.checkpoint} to {args.output}")


if __name__ == "__main__":
    main()
