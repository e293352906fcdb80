"""``moe-nmt-inspect``: shows how a trained model uses its experts, and what each has learned."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path

from moe_nmt.cli import command_parser
from moe_nmt.cli.numbers import positive
from moe_nmt.errors import ending_in_a_sentence
from moe_nmt.files.text import write_lines


@ending_in_a_sentence()
def main(arguments: Sequence[str] | None = None) -> None:
    """Runs the command."""
    parser = command_parser(
        "Sends a data set through a trained model and prints, for each mixture of experts, the "
        "balance of its importance and load (without noise); with --experts also what each expert "
        "is given: words, positions, and the contexts with the largest gates.",
        prog="moe-nmt-inspect",
    )
    parser.add_argument("checkpoint", type=Path, help="a checkpoint of fairseq-train")
    parser.add_argument("data", type=Path, help="a folder made by fairseq-preprocess")
    parser.add_argument("--split", default="valid", help="which part of it (default: valid)")
    parser.add_argument("--max-tokens", type=int, default=4000, help="tokens of a batch")
    experts = parser.add_argument_group("experts")
    experts.add_argument("--experts", action="store_true", help="tell of each expert")
    experts.add_argument("--tsv", type=Path, metavar="FILE", help="write it here, a line for each")
    experts.add_argument("--json", type=Path, metavar="FILE", help="write it here")
    experts.add_argument("--contexts", type=positive, default=5, help="default %(default)s")
    experts.add_argument("--words", type=positive, default=8, help="default %(default)s")
    experts.add_argument(
        "--least",
        type=positive,
        default=5,
        metavar="COUNT",
        help="of a word that counts as preferred (default %(default)s)",
    )
    args = parser.parse_args(arguments)

    from moe_nmt.insight.balance_report import balance_table, expert_use
    from moe_nmt.insight.expert_report import Limits, gather, report
    from moe_nmt.insight.expert_tables import as_json, as_text, as_tsv
    from moe_nmt.insight.held_out import load

    model, batches = load(args.checkpoint, args.data, args.split, args.max_tokens)
    wants_experts = args.experts or args.tsv or args.json
    found = gather(model, batches, args.contexts) if wants_experts else {}
    use = {name: mixture.use() for name, mixture in found.items()} or expert_use(model, batches)
    if not use:
        print("this model has no mixtures of experts")
        return
    print(balance_table(use))
    mixtures = report(model, batches, found, Limits(args.contexts, args.words, args.least))
    if args.experts:
        print(f"\n{as_text(mixtures)}")
    if args.tsv:
        write_lines(args.tsv, as_tsv(mixtures))
    if args.json:
        write_lines(args.json, [json.dumps(as_json(mixtures), ensure_ascii=False, indent=1)])


if __name__ == "__main__":
    main()
