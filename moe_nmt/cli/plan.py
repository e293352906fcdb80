"""``moe-nmt-plan``: counts parameters and operations of a model before it is built."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path

from moe_nmt.cli import command_parser
from moe_nmt.cli.numbers import positive
from moe_nmt.corpus.subwords.vocabulary_size import PAPERS
from moe_nmt.errors import ending_in_a_sentence
from moe_nmt.files.tables import table
from moe_nmt.files.text import write_lines
from moe_nmt.models.architectures import ARCHITECTURES

KINDS = ("LSTM", "experts", "gates", "attention", "softmax")


@ending_in_a_sentence()
def main(arguments: Sequence[str] | None = None) -> None:
    """Runs the command."""
    parser = command_parser(
        "Counts parameters, and multiply-adds per time step as the paper does, of models. No "
        "memory is spent on the weights.",
        prog="moe-nmt-plan",
    )
    what = parser.add_mutually_exclusive_group()
    what.add_argument(
        *("--arch", "-a"),
        nargs="+",
        metavar="NAME",
        default=list(ARCHITECTURES),
        help="named architectures (default: all of them)",
    )
    what.add_argument("--config", type=Path, metavar="FILE", help="the model of a file of configs/")
    parser.add_argument(
        "--model",
        nargs="+",
        default=[],
        metavar="NAME=VALUE",
        help="options of the architectures in place of their own, such as experts=64",
    )
    parser.add_argument(
        "--vocabulary", type=positive, default=PAPERS, help="words (default: %(default)s)"
    )
    parser.add_argument(
        "--workers",
        type=positive,
        default=1,
        help="that share one copy of the experts (default: %(default)s)",
    )
    parser.add_argument("--json", type=Path, metavar="FILE", help="write the counts here too")
    args = parser.parse_args(arguments)
    for name in args.arch:
        if name not in ARCHITECTURES:
            parser.error(
                f"there is no architecture {name!r}: choose from {', '.join(ARCHITECTURES)}"
            )
    if args.config and args.model:
        parser.error("--model changes named architectures: change the file of --config")

    from moe_nmt.insight.accounting import accounting
    from moe_nmt.models import planned

    models = {}
    if args.config:
        kind, config = planned.configured_by_file(args.config)
        models[str(args.config)] = planned.built_without_memory(kind, config, args.vocabulary)
    else:
        for name in args.arch:
            kind, config = planned.configured(name, args.model)
            models[name] = planned.built_without_memory(kind, config, args.vocabulary)
    counts = {name: accounting(model, args.workers) for name, model in models.items()}

    rows = [["", "parameters", "on a worker", "operations", *KINDS]]
    for name, count in counts.items():
        millions = [count["parameters"], count["parameters_per_worker"]]
        by_kind = [count["operations"].get(kind, 0) for kind in KINDS]
        rows.append(
            [
                name,
                *(f"{number / 1e6:.1f}" for number in millions),
                *(f"{number / 1e6:.2f}" for number in (count["ops_per_timestep"], *by_kind)),
            ]
        )
    print("in millions: parameters, and operations (multiply-adds) per time step, all and by kind;")
    print("of language models those of the softmax come on top, as in the paper")
    print(table(rows))
    if args.json:
        write_lines(args.json, [json.dumps(counts, indent=1)])


if __name__ == "__main__":
    main()
