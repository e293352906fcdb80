"""``moe-nmt-plan``: counts parameters and operations of the named architectures."""

from __future__ import annotations

from collections.abc import Sequence
from types import SimpleNamespace

from moe_nmt.cli import command_parser
from moe_nmt.corpus.subwords.vocabulary_size import PAPERS
from moe_nmt.errors import ending_in_a_sentence
from moe_nmt.files.tables import table
from moe_nmt.models.architectures import ARCHITECTURES


@ending_in_a_sentence()
def main(arguments: Sequence[str] | None = None) -> None:
    """Runs the command."""
    parser = command_parser(
        "Counts parameters, and multiply-adds per time step as the paper does, of named "
        "architectures. No memory is spent on the weights.",
        prog="moe-nmt-plan",
    )
    parser.add_argument(
        "architecture", nargs="*", default=list(ARCHITECTURES), help="default: all of them"
    )
    parser.add_argument(
        "--vocabulary", type=int, default=PAPERS, help="words (default: %(default)s)"
    )
    args = parser.parse_args(arguments)
    for name in args.architecture:
        if name not in ARCHITECTURES:
            parser.error(
                f"there is no architecture {name!r}: choose from {', '.join(ARCHITECTURES)}"
            )

    import torch
    from fairseq.data import Dictionary
    from fairseq.models import (
        ARCH_MODEL_NAME_REGISTRY,
        MODEL_DATACLASS_REGISTRY,
        MODEL_REGISTRY,
    )

    import moe_nmt.models.gnmt_moe
    import moe_nmt.models.language_model  # noqa: F401
    from moe_nmt.insight.counts import operations, parameters

    dictionary = Dictionary()
    for index in range(args.vocabulary - len(dictionary)):
        dictionary.add_symbol(f"word{index}")
    task = SimpleNamespace(source_dictionary=dictionary, target_dictionary=dictionary)
    kinds = ("LSTM", "experts", "gates", "attention", "softmax")
    rows = [["", "parameters", "operations", *kinds]]
    for name in args.architecture:
        kind = ARCH_MODEL_NAME_REGISTRY[name]
        config = MODEL_DATACLASS_REGISTRY[kind](**ARCHITECTURES[name])
        with torch.device("meta"):
            model = MODEL_REGISTRY[kind].build_model(config, task)
        count = operations(model)
        millions = [count.total(), *(count[kind] for kind in kinds)]
        rows.append(
            [
                name,
                f"{parameters(model).total() / 1e6:.1f}",
                *(f"{number / 1e6:.2f}" for number in millions),
            ]
        )
    print("in millions: parameters, and operations (multiply-adds) per time step, all and by kind")
    print(table(rows))


if __name__ == "__main__":
    main()
