"""Write the embedded corpus: `python data/embedded/generate.py DEST --seed 1`."""

from __future__ import annotations

import argparse
import os
import sys
from pathlib import Path
from statistics import mean

if not __package__:  # run as a script, the package is not on the path
    sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from embedded.corpus import CorpusError, Triple, generate


def main(arguments: list[str] | None = None) -> int:
    """Run the command line and return its exit status."""
    parser = argparse.ArgumentParser(
        prog="generate.py",
        description="Write train, valid and test in English, French and German.",
    )
    parser.add_argument("dest", type=Path, metavar="DEST", help="the folder to write to")
    parser.add_argument("--seed", type=int, default=1, help="another seed, another corpus (1)")
    parser.add_argument("--train", type=_size, default=20_000, help="sentences to train on (20000)")
    parser.add_argument(
        "--valid", type=_size, default=1_000, help="sentences to validate on (1000)"
    )
    parser.add_argument("--test", type=_size, default=1_000, help="sentences to test on (1000)")
    options = parser.parse_args(arguments)
    sizes = {"train": options.train, "valid": options.valid, "test": options.test}
    try:
        splits = generate(sizes, options.seed)
        write(splits, options.dest)
    except CorpusError as error:
        print(f"generate.py: {error}.", file=sys.stderr)
        return 1
    except OSError as error:
        print(f"generate.py: cannot write to {options.dest}: {error.strerror}.", file=sys.stderr)
        return 1
    print(summary(splits), file=sys.stderr)
    return 0


def write(splits: dict[str, list[Triple]], dest: Path) -> None:
    """Write each split in each language; a file appears complete or not at all."""
    dest.mkdir(parents=True, exist_ok=True)
    for split, triples in splits.items():
        for index, language in enumerate(Triple._fields):
            path = dest / f"{split}.{language}"
            temporary = path.with_name(f"{path.name}.{os.getpid()}.part")
            try:
                with temporary.open("w", encoding="utf-8", newline="\n") as lines:
                    lines.writelines(f"{triple[index]}\n" for triple in triples)
                temporary.replace(path)
            finally:
                temporary.unlink(missing_ok=True)


def summary(splits: dict[str, list[Triple]]) -> str:
    """Return one line: counts, mean lengths in words and vocabulary sizes."""
    counts = ", ".join(f"{split} {len(triples)}" for split, triples in splits.items())
    triples = [triple for split in splits.values() for triple in split]
    languages = []
    for index, language in enumerate(Triple._fields):
        lines = [triple[index].split() for triple in triples]
        words = {word for line in lines for word in line}
        length = mean([len(line) for line in lines] or [0])
        languages.append(f"{language} {length:.1f} words a sentence, {len(words)} different")
    return f"{counts} | {' | '.join(languages)}"


def _size(text: str) -> int:
    size = int(text)
    if size < 0:
        raise argparse.ArgumentTypeError(f"a size is not negative, unlike {size}")
    return size


if __name__ == "__main__":
    sys.exit(main())
