"""``moe-nmt-prepare``: from published archives or one's own text to binarised data."""

from __future__ import annotations

import argparse
import shlex
import signal
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from moe_nmt.cli import command_parser
from moe_nmt.cli.numbers import seed, share
from moe_nmt.corpus.preparation.preparation import WHOLE_WORDS, Settings, Text
from moe_nmt.corpus.preparation.prepare import prepare
from moe_nmt.corpus.preparation.reuse import Reused, find_dictionaries, method_of
from moe_nmt.corpus.sources.collection import read_collection
from moe_nmt.corpus.sources.own_text import check_pairs, languages_of, own_texts
from moe_nmt.corpus.sources.registry import find_corpus
from moe_nmt.corpus.subwords.subword import METHODS
from moe_nmt.corpus.subwords.symbols import check_symbols
from moe_nmt.corpus.subwords.vocabulary_size import PAPERS
from moe_nmt.errors import ending_in_a_sentence
from moe_nmt.files.parallel import available_cores

MAX_RATIO = 1.5  # of the sides' words
INTERRUPTED, TERMINATED = (128 + number for number in (signal.SIGINT, signal.SIGTERM))


def build_parser() -> argparse.ArgumentParser:
    """The options."""
    parser = command_parser(
        prog="moe-nmt-prepare",
        description="Downloads, checks, cleans, segments and binarises parallel text, or text in "
        "one language.  What is done already is not done again; what options or inputs changed is.",
        epilog="Files come in pairs, source before target, and may be compressed.  With "
        "--monolingual each stands alone.",
    )
    text = parser.add_argument_group("text")
    text.add_argument("--train", nargs="+", default=[], metavar="FILE", help="own files")
    text.add_argument(
        "--corpora",
        nargs="+",
        default=[],
        metavar="NAME",
        help="published corpora: wmt14_europarl, say, of whose description python -m moe_nmt data "
        "prints the folder, or paths of such descriptions",
    )
    for split, what in (("valid", "one set after another"), ("test", "each a test set of its own")):
        text.add_argument(f"--{split}", nargs="+", default=[], metavar="FILE", help=what)
        text.add_argument(
            f"--{split}-sets",
            nargs="+",
            default=[],
            metavar="NAME",
            help="test sets of sacreBLEU, or as --corpora",
        )
    text.add_argument(
        "--languages",
        nargs=2,
        metavar=("SOURCE", "TARGET"),
        help="default: what the names of the first files end in",
    )
    text.add_argument(
        "--monolingual",
        metavar="LANGUAGE",
        help="prepare text in this language alone, for a language model",
    )
    text.add_argument(
        "--wmt14",
        choices=[*read_collection("wmt14")],
        metavar="PAIR",
        help="the corpora of WMT'14, newstest2012 and 2013 as dev set and all of newstest2014 as "
        "test set, where --corpora, --valid-sets and --test-sets name no others: %(choices)s",
    )
    folders = parser.add_argument_group("folders")
    folders.add_argument("--destdir", type=Path, required=True, metavar="FOLDER")
    folders.add_argument(
        "--archives",
        type=Path,
        metavar="FOLDER",
        help="where archives lie, or are downloaded to; default DESTDIR/archives",
    )
    filters = parser.add_argument_group("filters of training pairs")
    filters.add_argument(
        "--max-words", type=int, default=175, metavar="N", help="default %(default)s"
    )
    filters.add_argument(
        "--max-characters", type=int, default=2000, metavar="N", help="default %(default)s"
    )
    filters.add_argument(
        "--max-ratio",
        type=float,
        metavar="X",
        help=f"of the words of the longer side to those of the shorter; default {MAX_RATIO}",
    )
    filters.add_argument(
        "--identify-languages",
        action="store_true",
        help="leave out pairs with a side that is surely in another language (package eldc)",
    )
    subwords = parser.add_argument_group("subwords")
    subwords.add_argument(
        "--subword",
        choices=[*METHODS, WHOLE_WORDS],
        help="bpe: of sentences; moses-bpe: of Moses' tokens (package sacremoses); "
        f"words: none, text is taken apart at spaces (with --monolingual); default {METHODS[0]}",
    )
    subwords.add_argument(
        "--vocabulary",
        type=int,
        metavar="N",
        help=f"default {PAPERS} with --wmt14, else by the size of the training text",
    )
    subwords.add_argument(
        "--sample",
        type=int,
        default=4_000_000,
        metavar="N",
        help="learn from about N lines, default %(default)s",
    )
    subwords.add_argument(
        "--character-coverage",
        type=share,
        default=0.9999,
        metavar="X",
        help="sentencepiece: share of the characters that are subwords, default %(default)s",
    )
    subwords.add_argument(
        "--symbols",
        nargs="+",
        default=[],
        metavar="SYMBOL",
        help="own symbols, <2de>, say, that are kept whole and are in the dictionary in any case",
    )
    existing = parser.add_argument_group("subwords of a model that is to be trained further")
    existing.add_argument(
        "--subword-model", type=Path, metavar="FILE", help="take it, and learn no subwords"
    )
    existing.add_argument(
        "--dictionaries",
        type=Path,
        metavar="FOLDER",
        help="take the dictionaries in it: the folder that fairseq-train read",
    )
    existing.add_argument(
        "--extend-dictionaries",
        action="store_true",
        help="add what these lack of the training text's subwords at their ends, up to "
        "--vocabulary, if that is given",
    )
    parser.add_argument("--seed", type=seed, default=1, help="default %(default)s")
    parser.add_argument(
        "--workers",
        type=int,
        default=available_cores(),
        metavar="N",
        help="processes, default %(default)s",
    )
    return parser


def take_wmt14(parser: argparse.ArgumentParser, args: argparse.Namespace) -> None:
    """Puts what belongs to WMT'14 where nothing else was named."""
    if args.languages is not None:
        parser.error("--wmt14 names the languages: leave --languages out")
    args.languages = args.wmt14.split("-")
    if args.vocabulary is None and args.subword_model is None:
        args.vocabulary = PAPERS
    for option, names in vars(read_collection("wmt14")[args.wmt14]).items():
        setattr(args, option, getattr(args, option) or names)


def refuse_pairs(parser: argparse.ArgumentParser, args: argparse.Namespace) -> None:
    """Stops where text in one language is asked for together with what two have."""
    if not args.monolingual.replace("_", "").isalnum():
        parser.error(f"--monolingual {args.monolingual!r}: name a language, letters and digits")
    for option in (
        *("languages", "wmt14", "corpora", "valid_sets", "test_sets", "max_ratio"),
        *("dictionaries", "extend_dictionaries"),
    ):
        if getattr(args, option):
            parser.error(f"--{option.replace('_', '-')} is for pairs: leave out --monolingual")


@contextmanager
def stopping_in_a_sentence() -> Iterator[None]:
    """Ctrl-C, or a cluster's SIGTERM, ends the work with a word of how to go on."""
    try:
        yield
    except KeyboardInterrupt:
        print("\nmoe_nmt: interrupted: run the same command again to go on", file=sys.stderr)
        sys.exit(INTERRUPTED)
    except SystemExit as stop:
        if stop.code == TERMINATED:
            print("\nmoe_nmt: terminated: run the same command again to go on", file=sys.stderr)
        raise


@ending_in_a_sentence()
def main(arguments: Sequence[str] | None = None) -> None:
    """The command line."""
    parser = build_parser()
    args = parser.parse_args(arguments)
    if args.wmt14 is not None:
        take_wmt14(parser, args)
    if not args.train and not args.corpora:
        parser.error("name text to train on with --train or --corpora")
    if not args.valid and not args.valid_sets:
        parser.error("name a validation set with --valid or --valid-sets; training text is none")
    for option in ("workers", "vocabulary", "sample", "max_words", "max_characters"):
        if (number := getattr(args, option)) is not None and number < 1:
            parser.error(f"--{option.replace('_', '-')} must be at least 1")
    if args.monolingual is not None:
        refuse_pairs(parser, args)
    elif args.subword == WHOLE_WORDS:
        parser.error("--subword words is for language models: add --monolingual")
    else:
        for option in ("train", "valid", "test"):
            check_pairs(getattr(args, option), f"--{option}")
    max_ratio = MAX_RATIO if args.max_ratio is None else args.max_ratio
    if not max_ratio >= 1:
        parser.error("--max-ratio must be at least 1")
    if args.dictionaries is not None and args.subword_model is None:
        parser.error("--dictionaries belong to subwords: name these with --subword-model")
    if args.extend_dictionaries and args.dictionaries is None:
        parser.error("--extend-dictionaries needs --dictionaries")
    if args.symbols and args.subword_model is not None:
        parser.error("--symbols are learned with the subwords: --subword-model has its own")
    check_symbols(args.symbols, args.subword or METHODS[0])
    languages: tuple[str, ...]
    if args.monolingual is not None:
        languages = (args.monolingual,)
    else:
        languages = languages_of(args.languages, [*args.train, *args.valid, *args.test])
    pair = languages[0], languages[-1]  # for what pairs alone have

    def texts(option: str, sets: Sequence[str]) -> list[Text]:
        own = own_texts(getattr(args, option), languages, f"--{option}")
        return [*(find_corpus(name, pair) for name in sets), *own]

    reused = None
    if args.subword_model is not None:
        args.subword = method_of(args.subword_model, args.subword)
        folder = args.dictionaries
        dictionaries = None if folder is None else find_dictionaries(folder, pair)
        reused = Reused(args.subword_model, dictionaries, args.extend_dictionaries)
    tests = texts("test", args.test_sets)
    held_out = {"valid": texts("valid", args.valid_sets)}
    held_out |= {f"test{number or ''}": [text] for number, text in enumerate(tests)}
    settings = Settings(
        languages=languages,
        train=texts("train", args.corpora),
        held_out=held_out,
        folder=args.destdir,
        archives=args.archives or args.destdir / "archives",
        workers=args.workers,
        max_words=args.max_words,
        max_characters=args.max_characters,
        max_ratio=max_ratio,
        identify_languages=args.identify_languages,
        method=args.subword or METHODS[0],
        vocabulary=args.vocabulary,
        reused=reused,
        symbols=args.symbols,
        sample=args.sample,
        coverage=args.character_coverage,
        seed=args.seed,
        command=shlex.join(
            ["moe-nmt-prepare", *(sys.argv[1:] if arguments is None else arguments)]
        ),
    )
    with stopping_in_a_sentence():
        prepare(settings)


if __name__ == "__main__":
    main()
