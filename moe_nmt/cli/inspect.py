"""moe-nmt-inspect: how evenly a trained model uses its experts."""

from __future__ import annotations

import argparse
from pathlib import Path

from fairseq import checkpoint_utils

import moe_nmt.plugin  # noqa: F401
from moe_nmt.insight.balance_report import balance_table, expert_use


def main() -> None:
    """Runs the command."""
    parser = argparse.ArgumentParser(
        prog="moe-nmt-inspect",
        description="Sends a data set through a trained model and prints, for each mixture of "
        "experts, the balance of its importance and load (without noise).",
    )
    parser.add_argument("checkpoint", type=Path, help="a checkpoint of fairseq-train")
    parser.add_argument("data", type=Path, help="a folder made by fairseq-preprocess")
    parser.add_argument("--split", default="valid", help="which part of it (default: valid)")
    parser.add_argument("--max-tokens", type=int, default=4000, help="tokens of a batch")
    args = parser.parse_args()

    for path in (args.checkpoint, args.data):
        if not path.exists():
            parser.error(f"{path} does not exist")
    models, _, task = checkpoint_utils.load_model_ensemble_and_task(
        [str(args.checkpoint)], arg_overrides={"data": str(args.data)}
    )
    try:
        task.load_dataset(args.split)
    except FileNotFoundError:
        parser.error(f"{args.data} has no split {args.split!r}")
    batches = task.get_batch_iterator(
        task.dataset(args.split), max_tokens=args.max_tokens
    ).next_epoch_itr(shuffle=False)
    use = expert_use(models[0], batches)
    if not use:
        print("this model has no mixtures of experts")
    else:
        print(balance_table(use))


if __name__ == "__main__":
    main()
