"""``python -m moe_nmt``: lists the commands, or tells where what travels with them lies."""

from __future__ import annotations

import argparse
import ast
from collections.abc import Iterator
from pathlib import Path

from moe_nmt.cli import command_parser
from moe_nmt.errors import ending_in_a_sentence
from moe_nmt.files.resources import CONFIGS, DESCRIPTIONS, resources

COMMANDS = Path(__file__).parent / "cli"
PREFIX = "``moe-nmt-"  # begins the docstring of a command, ``NAME``: WHAT.


def commands() -> Iterator[tuple[str, str]]:
    """Each command's name and what it does, from the first line of its file, not imported."""
    for path in sorted(COMMANDS.glob("*.py")):
        docstring = ast.get_docstring(ast.parse(path.read_text(encoding="utf-8"))) or ""
        if docstring.startswith(PREFIX):
            name, _, what = docstring.partition("\n")[0].removeprefix("``").partition("``: ")
            yield name, what.removesuffix(".")


@ending_in_a_sentence()
def main() -> None:
    """The command line."""
    listing = "\n".join(f"  {name:20} {what}" for name, what in commands())
    parser = command_parser(
        "Mixture-of-experts recurrent networks for neural machine translation, a plugin for "
        "fairseq: fairseq-train --user-dir moe_nmt ...",
        prog="python -m moe_nmt",
        formatter_class=argparse.RawDescriptionHelpFormatter,
        epilog=f"commands (each has --help):\n{listing}",
    )
    parser.add_argument(
        "folder",
        nargs="?",
        choices=[CONFIGS, DESCRIPTIONS],
        help="print the path of the folder that holds the models' configurations, for "
        "fairseq-hydra-train --config-dir, or the descriptions of published corpora",
    )
    args = parser.parse_args()
    if args.folder is None:
        parser.print_help()
    else:
        print(resources(args.folder))


if __name__ == "__main__":
    main()
