"""``moe-nmt-inspect``: shows how a trained model uses its experts, and what each has learned."""

from __future__ import annotations

import argparse
import json
from collections.abc import Sequence
from pathlib import Path

from moe_nmt.cli import command_parser
from moe_nmt.cli.numbers import positive
from moe_nmt.errors import ending_in_a_sentence
from moe_nmt.files.outputs import refuse_overwriting
from moe_nmt.files.text import write_lines, write_text


@ending_in_a_sentence()
def main(arguments: Sequence[str] | None = None) -> None:
    """Runs the command."""
    parser = command_parser(
        "Sends a data set through a trained model and prints, for each mixture of experts, the "
        "balance of its importance and load (without noise); with --experts also what each expert "
        "is given: words, positions, and the contexts with the largest gates. Or sums up logs of "
        "training.",
        prog="moe-nmt-inspect",
    )
    parser.add_argument("checkpoint", type=Path, nargs="?", help="a checkpoint of fairseq-train")
    parser.add_argument("data", type=Path, nargs="?", help="a folder made by fairseq-preprocess")
    parser.add_argument("--split", default="valid", help="which part of it (default: valid)")
    parser.add_argument("--max-tokens", type=int, default=4000, help="tokens of a batch")
    experts = parser.add_argument_group("experts")
    experts.add_argument("--experts", action="store_true", help="tell of each expert")
    experts.add_argument("--tsv", type=Path, metavar="FILE", help="write it here, a line for each")
    experts.add_argument("--json", type=Path, metavar="FILE", help="write it here")
    experts.add_argument("--html", type=Path, metavar="FILE", help="a page to look at them")
    experts.add_argument(
        "--sentences", type=positive, default=200, help="on the page (default %(default)s)"
    )
    experts.add_argument("--contexts", type=positive, default=5, help="default %(default)s")
    experts.add_argument("--words", type=positive, default=8, help="default %(default)s")
    experts.add_argument(
        "--least",
        type=positive,
        default=5,
        metavar="COUNT",
        help="of a word that counts as preferred (default %(default)s)",
    )
    logs = parser.add_argument_group("logs of fairseq-train, in place of a checkpoint and data")
    logs.add_argument("--log", type=Path, nargs="+", metavar="FILE", help="sums up trainings")
    logs.add_argument("--plot", type=Path, metavar="FILE", help="draws them: .svg, .png")
    args = parser.parse_args(arguments)
    if args.log and (args.checkpoint or args.experts or args.tsv or args.json or args.html):
        parser.error("--log is of trainings: leave out the checkpoint and what is told of experts")
    if args.plot and not args.log:
        parser.error("--plot draws logs: name them by --log")
    if args.log:
        inspect_logs(args.log, args.plot)
    elif args.data is None:
        parser.error("name a checkpoint and the data to send through it, or logs by --log")
    else:
        inspect_model(args)


def inspect_logs(paths: Sequence[Path], plot: Path | None) -> None:
    """Sums up trainings, by the names of their logs."""
    from moe_nmt.insight.training_log import read_log
    from moe_nmt.insight.training_plot import draw, summary

    refuse_overwriting([plot], paths)
    logs = {str(path): read_log(path) for path in paths}
    print(summary(logs))
    if plot:
        draw(logs, plot)


def inspect_model(args: argparse.Namespace) -> None:
    """Sends data through a model."""
    refuse_overwriting([args.tsv, args.json, args.html], [args.checkpoint])

    from moe_nmt.insight.balance_report import balance_table, expert_use
    from moe_nmt.insight.expert_report import Limits, gather, report
    from moe_nmt.insight.expert_tables import as_json, as_text, as_tsv
    from moe_nmt.insight.experts_page import page
    from moe_nmt.insight.held_out import load

    model, batches = load(args.checkpoint, args.data, args.split, args.max_tokens)
    wants_experts = args.experts or args.tsv or args.json or args.html
    found = gather(model, batches, args.contexts) if wants_experts else {}
    use = {name: mixture.use() for name, mixture in found.items()} or expert_use(model, batches)
    if not use:
        print("this model has no mixtures of experts")
        return
    print(balance_table(use))
    mixtures = report(model, batches, found, Limits(args.contexts, args.words, args.least))
    if args.experts:
        print(f"\n{as_text(mixtures)}")
    if args.html:
        write_text(args.html, page(model, batches, mixtures, args.sentences))
    if args.tsv:
        write_lines(args.tsv, as_tsv(mixtures))
    if args.json:
        write_lines(args.json, [json.dumps(as_json(mixtures), ensure_ascii=False, indent=1)])


if __name__ == "__main__":
    main()
