"""``moe-nmt-tune``: the best length and coverage penalties, from n-best lists."""

from __future__ import annotations

import argparse
import json
import math
from collections.abc import Sequence
from pathlib import Path

from moe_nmt.cli import command_parser
from moe_nmt.errors import ending_in_a_sentence
from moe_nmt.evaluation.measures import bleu_signature
from moe_nmt.evaluation.rescoring import read_n_best
from moe_nmt.evaluation.systems import References, generated_file
from moe_nmt.evaluation.tokenizers import TOKENIZERS, tokenizer, usual
from moe_nmt.evaluation.tuning import Surface, surface
from moe_nmt.files.outputs import refuse_overwriting
from moe_nmt.files.pipes import copied_pipes
from moe_nmt.files.text import write_text

GRID = [step / 10 for step in range(11)]


def build_parser() -> argparse.ArgumentParser:
    """The options."""
    parser = command_parser(
        prog="moe-nmt-tune",
        description="Tries penalties for length (alpha) and for source words that are not "
        "translated (beta) on the n-best lists of a development set, without decoding again.",
    )
    parser.add_argument(
        "lists",
        type=Path,
        metavar="FILE",
        help="what fairseq-generate --nbest N --print-alignment soft wrote, or its folder",
    )
    parser.add_argument("--reference", action="append", required=True, type=Path, metavar="FILE")
    for name in ("alpha", "beta"):
        parser.add_argument(
            f"--{name}",
            nargs="+",
            type=float,
            default=GRID,
            metavar="X",
            help="values to try, 0 to 1 in steps of 0.1 if left out",
        )
    parser.add_argument(
        "--tokenizer",
        choices=TOKENIZERS,
        help="for BLEU; default: 13a, or what suits --language, as in moe-nmt-score",
    )
    parser.add_argument("--language", metavar="LANG", help="of the translations")
    parser.add_argument("--lowercase", action="store_true", help="case does not count")
    parser.add_argument("--json", type=Path, metavar="FILE", help="takes all figures")
    parser.add_argument("--plot", type=Path, metavar="FILE.svg", help="takes their picture")
    return parser


@ending_in_a_sentence()
def main(arguments: Sequence[str] | None = None) -> None:
    """The command line."""
    parser = build_parser()
    args = parser.parse_args(arguments)
    alphas, betas = sorted(set(args.alpha)), sorted(set(args.beta))
    if not all(0 <= value < math.inf for value in (*alphas, *betas)):
        parser.error("--alpha and --beta take numbers of 0 or more")
    if args.plot is not None and args.plot.suffix != ".svg":
        parser.error(f"--plot {args.plot}: the picture is SVG; name a file that ends in .svg")
    refuse_overwriting([args.json, args.plot], [*args.reference, args.lists])
    with copied_pipes([*args.reference, args.lists]) as (*reference_files, lists):
        found = tried(args, alphas, betas, reference_files, lists)
    print(found)
    if args.json is not None:
        write_text(args.json, f"{json.dumps(found.as_json(), indent=2)}\n")
    if args.plot is not None:
        write_text(args.plot, found.as_svg())


def tried(
    args: argparse.Namespace,
    alphas: Sequence[float],
    betas: Sequence[float],
    reference_files: Sequence[Path],
    lists: Path,
) -> Surface:
    """All pairs of penalties on the lists."""
    references = References.read(reference_files, tokenized=args.tokenizer == "none")
    tokenize = tokenizer(args.tokenizer or usual(args.language), args.language)
    n_best = read_n_best(generated_file(lists), references, tokenize, args.lowercase, any(betas))
    return surface(
        n_best, alphas, betas, bleu_signature(references.texts, tokenize, args.lowercase)
    )


if __name__ == "__main__":
    main()
