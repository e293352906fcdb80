"""``python -m moe_nmt.cli.train_options``: a configuration's training as fairseq-train's options.

Configurations are written for fairseq-hydra-train; a recipe in shell takes its hyper-parameters
from there.  The model is left out, as ``--arch`` names it, and so are paths.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import yaml

from moe_nmt.cli import command_parser
from moe_nmt.errors import ending_in_a_sentence
from moe_nmt.files.resources import CONFIGS, resources

LEFT_OUT = ("hydra", "model")
PATHS = ("user_dir", "data", "save_dir")


def train_options(configuration: Mapping[str, Mapping[str, Any]]) -> Iterator[str]:
    """Names and values, each a word, as fairseq makes options of its configurations."""
    for section, values in configuration.items():
        if section in LEFT_OUT:
            continue
        for key, value in values.items():
            if key not in PATHS and value is not False:  # which a switch has unless it is named
                name = section if key == "_name" else key
                yield f"--{name.replace('_', '-')}"
                if value is not True:
                    yield ",".join(map(str, value)) if isinstance(value, list) else str(value)


@ending_in_a_sentence()
def main(arguments: Sequence[str] | None = None) -> None:
    """The command line."""
    found = {path.stem: path for path in sorted(resources(CONFIGS).glob("*.yaml"))}
    parser = command_parser(description="Prints options of fairseq-train, a word a line.")
    parser.add_argument("configuration", choices=[*found], help="a file of the folder configs")
    args = parser.parse_args(arguments)
    text = found[args.configuration].read_text(encoding="utf-8")
    print(*train_options(yaml.safe_load(text)), sep="\n")


if __name__ == "__main__":
    main()
