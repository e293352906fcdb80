"""``moe-nmt-score``: BLEU in each of its kinds, chrF, perplexity, significance, side by side."""

from __future__ import annotations

import argparse
import json
from collections.abc import Sequence
from itertools import chain
from pathlib import Path

from moe_nmt.cli import command_parser
from moe_nmt.cli.numbers import draws
from moe_nmt.errors import ending_in_a_sentence
from moe_nmt.evaluation.scoring import Request, score
from moe_nmt.evaluation.tokenizers import OF_SACREBLEU, TOKENIZERS
from moe_nmt.files.outputs import refuse_overwriting
from moe_nmt.files.pipes import copied_pipes
from moe_nmt.files.text import write_text


def build_parser() -> argparse.ArgumentParser:
    """The options."""
    parser = command_parser(
        prog="moe-nmt-score",
        description="Scores translations: text, or what fairseq-generate wrote (a file, or the "
        "folder of its --results-path).",
    )
    parser.add_argument(
        "hypothesis", nargs="*", type=Path, metavar="FILE", help="a system of one run"
    )
    parser.add_argument(
        "--system",
        nargs="+",
        action="append",
        default=[],
        metavar=("NAME", "FILE"),
        help="a system and its runs, one file for each seed: their mean and standard deviation "
        "are printed; may be repeated",
    )
    parser.add_argument(
        "--reference",
        action="append",
        required=True,
        type=Path,
        metavar="FILE",
        help="the text as published; repeat it for several references",
    )
    parser.add_argument(
        "--forced",
        nargs="+",
        action="append",
        default=[],
        type=Path,
        metavar="FILE",
        help="for perplexity: what fairseq-generate --score-reference wrote, one --forced for "
        "each system in their order",
    )
    parser.add_argument(
        "--tokenizer",
        choices=TOKENIZERS,
        help="for multi-bleu; none: the files are tokenised, and nothing else is computed; "
        "default: 13a, or what suits --language: zh, ja-mecab, ko-mecab, char",
    )
    parser.add_argument(
        "--sacrebleu-tokenizer",
        choices=OF_SACREBLEU,
        help="for sacreBLEU's BLEU; default the same",
    )
    parser.add_argument(
        "--language", metavar="LANG", help="of the translations; de adds compounds split"
    )
    parser.add_argument("--lowercase", action="store_true", help="case does not count")
    parser.add_argument(
        "--significance", action="store_true", help="tests each system against the first"
    )
    parser.add_argument(
        "--samples", type=draws, default=1000, metavar="N", help="of the bootstrap, %(default)s"
    )
    parser.add_argument(
        "--trials", type=draws, default=10000, metavar="N", help="of randomisation, %(default)s"
    )
    parser.add_argument("--comet", type=Path, metavar="FOLDER", help="a COMET model")
    parser.add_argument(
        "--source", type=Path, metavar="FILE", help="for --comet: what was translated"
    )
    parser.add_argument("--json", type=Path, metavar="FILE", help="takes all figures")
    return parser


@ending_in_a_sentence()
def main(arguments: Sequence[str] | None = None) -> None:
    """The command line."""
    parser = build_parser()
    args = parser.parse_args(arguments)
    named = [(str(path), [path]) for path in args.hypothesis]
    for name, *files in args.system:
        if not files:
            parser.error(f"--system {name} names no FILE")
        named.append((name, [*map(Path, files)]))
    if not named:
        parser.error("name a FILE of translations, or --system NAME FILE")
    if len({name for name, _ in named}) != len(named):
        parser.error("two systems have the same name")
    if args.forced and len(args.forced) != len(named):
        parser.error(f"{len(named)} systems but {len(args.forced)} --forced: one for each")
    if (args.comet is None) != (args.source is None):
        parser.error("--comet and --source belong together")
    if args.tokenizer == "none" and (args.significance or args.comet):
        parser.error("--tokenizer none is for multi-bleu alone")
    if args.significance and (len(named) < 2 or any(len(files) > 1 for _, files in named)):
        parser.error("--significance compares two or more systems of one FILE each")
    groups = [args.reference, *(paths for _, paths in named), *args.forced]
    given = [*chain.from_iterable(groups)]
    refuse_overwriting([args.json], [*given, args.source])
    with copied_pipes(given) as copies:
        paths = iter(copies)
        references, *others = [[next(paths) for _ in group] for group in groups]
        systems = [(name, files) for (name, _), files in zip(named, others, strict=False)]
        report = score(request_of(args, systems, references, others[len(named) :]))
    print(report)
    if args.json is not None:
        figures = json.dumps(report.as_json(), indent=2, ensure_ascii=False)
        write_text(args.json, f"{figures}\n")


def request_of(
    args: argparse.Namespace,
    systems: Sequence[tuple[str, Sequence[Path]]],
    references: Sequence[Path],
    forced: Sequence[Sequence[Path]],
) -> Request:
    """What the options ask for."""
    return Request(
        systems=systems,
        references=references,
        forced=forced,
        tokenizer=args.tokenizer,
        of_sacrebleu=args.sacrebleu_tokenizer,
        language=args.language,
        lowercase=args.lowercase,
        samples=args.samples if args.significance else 0,
        trials=args.trials,
        comet=args.comet,
        source=args.source,
    )


if __name__ == "__main__":
    main()
