"""``moe-nmt-inspect``: shows how evenly a trained model uses its experts."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from moe_nmt.cli import command_parser
from moe_nmt.errors import ending_in_a_sentence


@ending_in_a_sentence()
def main(arguments: Sequence[str] | None = None) -> None:
    """Runs the command."""
    parser = command_parser(
        "Sends a data set through a trained model and prints, for each mixture of experts, the "
        "balance of its importance and load (without noise).",
        prog="moe-nmt-inspect",
    )
    parser.add_argument("checkpoint", type=Path, help="a checkpoint of fairseq-train")
    parser.add_argument("data", type=Path, help="a folder made by fairseq-preprocess")
    parser.add_argument("--split", default="valid", help="which part of it (default: valid)")
    parser.add_argument("--max-tokens", type=int, default=4000, help="tokens of a batch")
    args = parser.parse_args(arguments)

    from moe_nmt.insight.balance_report import balance_table, expert_use
    from moe_nmt.insight.held_out import load

    model, batches = load(args.checkpoint, args.data, args.split, args.max_tokens)
    use = expert_use(model, batches)
    if not use:
        print("this model has no mixtures of experts")
    else:
        print(balance_table(use))


if __name__ == "__main__":
    main()
