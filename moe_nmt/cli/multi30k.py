"""``python -m moe_nmt.cli.multi30k``: the steps of scripts/multi30k.sh before the subwords."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from moe_nmt.cli import command_parser
from moe_nmt.corpus.cleaning.normalise import normalise_parallel
from moe_nmt.corpus.sources.multi30k import get_raw, read_description
from moe_nmt.errors import ending_in_a_sentence


@ending_in_a_sentence()
def main(arguments: Sequence[str] | None = None) -> None:
    """The command line."""
    parser = command_parser(description="Gets and normalises a pair of languages.")
    commands = parser.add_subparsers(dest="command", required=True, metavar="COMMAND")
    for name, what in (
        ("raw", "gets the published files, checks them and writes their text to OUTPUT"),
        ("normalise", "normalises all splits in the folder --raw"),
    ):
        command = commands.add_parser(name, help=what, description=what)
        command.add_argument("--data", type=Path, required=True, help="description of the corpus")
        command.add_argument("--languages", nargs=2, required=True, metavar=("SOURCE", "TARGET"))
        command.add_argument("--raw", type=Path, metavar="FOLDER", required=name == "normalise")
        if name == "raw":
            command.add_argument(
                "--downloads", type=Path, default=Path("download"), help="keeps what was fetched"
            )
        command.add_argument("--output", type=Path, required=True, metavar="FOLDER")
    args = parser.parse_args(arguments)
    corpus = read_description(args.data)
    if args.command == "raw":
        get_raw(corpus, tuple(args.languages), args.raw, args.downloads, args.output)
        return
    for split in corpus.splits:
        names = [f"{split}.{language}" for language in args.languages]
        count = normalise_parallel(
            [args.raw / name for name in names], [args.output / name for name in names]
        )
        print(f"{split}: {count} pairs of sentences")


if __name__ == "__main__":
    main()
