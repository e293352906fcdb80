"""``moe-nmt-subword``: learns, applies and undoes subwords, and reads fairseq-generate's output."""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from pathlib import Path

from moe_nmt.cli import command_parser
from moe_nmt.cli.numbers import between, positive, seed, share
from moe_nmt.corpus.subwords.moses import Moses
from moe_nmt.corpus.subwords.sentence_pieces import LONGEST
from moe_nmt.corpus.subwords.subword import METHODS, apply_to_file, learn, undoing
from moe_nmt.corpus.subwords.vocabulary_size import default_vocabulary
from moe_nmt.errors import ending_in_a_sentence
from moe_nmt.evaluation.generated import write_translations
from moe_nmt.files.each_line import rewrite
from moe_nmt.files.outputs import refuse_overwriting
from moe_nmt.files.parallel import available_cores
from moe_nmt.files.pipes import copied_pipes
from moe_nmt.files.text import check_same_count, count_lines, read_text, write_lines


def build_parser() -> argparse.ArgumentParser:
    """The options."""
    parser = command_parser(
        prog="moe-nmt-subword",
        description="Subwords stand between spaces; U+2581 in them stands for a space of the text, "
        "or @@ for a token that goes on, so that joining them gives text or tokens back.",
    )
    commands = parser.add_subparsers(dest="command", required=True, metavar="COMMAND")

    command = add(commands, "learn", "learns one vocabulary from the text of all files")
    command.add_argument("--input", nargs="+", type=Path, required=True, metavar="FILE")
    command.add_argument("--output", type=Path, required=True, metavar="MODEL")
    command.add_argument(
        "--method",
        choices=METHODS,
        default=METHODS[0],
        help="moses-bpe takes files of tokens, as tokenize writes them; default %(default)s",
    )
    command.add_argument(
        "--vocabulary", type=int, metavar="N", help="subwords; default by the size of the text"
    )
    command.add_argument(
        "--sample",
        type=positive,
        metavar="N",
        help="read about N lines of all files, drawn by --seed",
    )
    command.add_argument(
        "--character-coverage",
        type=share,
        default=1.0,
        metavar="X",
        help="sentencepiece: share of the characters that are subwords; less than 1 keeps the rare "
        "characters of large noisy texts out; default %(default)s",
    )
    command.add_argument(
        "--longest",
        type=between(10, 1 << 30),  # what SentencePiece takes
        default=LONGEST,
        metavar="BYTES",
        help="sentencepiece: learn from no longer lines; default %(default)s",
    )
    command.add_argument(
        "--symbols",
        nargs="+",
        default=[],
        metavar="SYMBOL",
        help="own symbols, <2de>, say, that are kept whole",
    )
    command.add_argument("--seed", type=seed, default=1, help="default %(default)s")

    command = add(commands, "apply", "writes each file's sentences, normalised, as subwords")
    command.add_argument("--model", type=Path, required=True)
    add_files(command)
    command.add_argument(
        "--sample",
        type=int,
        default=1,
        metavar="N",
        help="write N copies of the file, the first in the best segmentation, the others in "
        "sampled ones (subword regularisation, for training data only); default %(default)s",
    )
    command.add_argument(
        "--alpha",
        type=float,
        default=0.1,
        help="sentencepiece: smoothing of the sampling, smaller is more varied; "
        "bpe: probability of dropping a merge; default %(default)s",
    )
    command.add_argument(
        "--seed", type=seed, default=1, help="of the sampling, default %(default)s"
    )
    add_workers(command)

    add_files(add(commands, "undo", "joins the subwords of each file to text, or to tokens"))

    command = add(commands, "text", "extracts the translations from fairseq-generate's output")
    command.add_argument("--input", type=Path, required=True, help="what fairseq-generate wrote")
    command.add_argument("--source", type=Path, required=True, help="the file that was translated")
    command.add_argument("--output", type=Path, required=True, metavar="FILE")

    for name, what in (
        ("tokenize", "writes each file's sentences, normalised, as Moses' tokens, hyphens split"),
        ("detokenize", "writes each file of Moses' tokens as text"),
    ):
        command = add(commands, name, what)
        add_files(command)
        command.add_argument("--language", required=True, metavar="LANG", help="of the files")
        add_workers(command)
    return parser


def add(
    commands: argparse._SubParsersAction[argparse.ArgumentParser], name: str, what: str
) -> argparse.ArgumentParser:
    """A subcommand."""
    return commands.add_parser(name, help=what, description=what)


def add_files(command: argparse.ArgumentParser) -> None:
    """Files in, files out."""
    command.add_argument("--input", nargs="+", type=Path, required=True, metavar="FILE")
    command.add_argument(
        "--output", nargs="+", type=Path, required=True, metavar="FILE", help="one for each input"
    )


def add_workers(command: argparse.ArgumentParser) -> None:
    """How many processes."""
    command.add_argument(
        "--workers",
        type=positive,
        default=available_cores(),
        metavar="N",
        help="processes, default %(default)s",
    )


@ending_in_a_sentence()
def main(arguments: Sequence[str] | None = None) -> None:
    """The command line."""
    parser = build_parser()
    args = parser.parse_args(arguments)
    if args.command not in ("learn", "text") and len(args.input) != len(args.output):
        parser.error(f"{len(args.input)} files of --input but {len(args.output)} of --output")
    given = args.input if isinstance(args.input, list) else [args.input]
    outputs = args.output if isinstance(args.output, list) else [args.output]
    refuse_overwriting(outputs, [*given, getattr(args, "model", None)])
    with copied_pipes(given) as inputs:
        run(args, inputs)


def run(args: argparse.Namespace, inputs: Sequence[Path]) -> None:
    """The subcommand; ``inputs`` can be read any number of times."""
    if args.command == "learn":
        size = args.vocabulary
        if size is None:
            sentences = max(map(count_lines, inputs))
            size = default_vocabulary(inputs, sentences, args.character_coverage)
            print(
                f"{size:,} subwords of {sentences:,} sentences: --vocabulary takes another number"
            )
        learn(
            inputs,
            args.method,
            size,
            args.seed,
            args.output,
            args.sample,
            args.character_coverage,
            args.symbols,
            args.longest,
        )
    elif args.command == "apply":
        for source, output in zip(inputs, args.output, strict=True):
            apply_to_file(
                source, output, args.model, args.sample, args.alpha, args.seed, args.workers
            )
    elif args.command == "undo":
        for source, output in zip(inputs, args.output, strict=True):
            write_lines(output, map(undoing(read_text(source)), read_text(source)))
            check_same_count([source, output], "lines were lost; is the disk full?")
    elif args.command == "text":
        write_translations(inputs[0], args.source, args.output)
    else:
        moses = Moses(args.language, args.command, "--method bpe, which needs no tokens")
        change = moses.corpus_tokens if args.command == "tokenize" else moses.detokenize
        for source, output in zip(inputs, args.output, strict=True):
            rewrite(source, output, change, "rewriting", args.workers)


if __name__ == "__main__":
    main()
