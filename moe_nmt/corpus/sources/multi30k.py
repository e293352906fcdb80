"""Gets the files of a small parallel corpus as published and checks them against its description.

The description is plain data, see ``data/multi30k.yaml``.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from moe_nmt.corpus.sources.description import FOLDER, description
from moe_nmt.corpus.sources.download import download
from moe_nmt.errors import UserError
from moe_nmt.files.text import readable, written_whole


@dataclass(frozen=True)
class Split:
    """What is known of one split: lines, and language -> sha256 of the uncompressed text."""

    lines: int
    sha256: Mapping[str, str]


@dataclass(frozen=True)
class Corpus:
    """A corpus: where {split}.{language}.gz lie, and its splits by name."""

    url: str
    splits: Mapping[str, Split]


def read_description(path: Path) -> Corpus:
    """Reads a corpus description."""
    needs = f"url and splits, as multi30k.yaml has them in the folder {FOLDER}"
    with description(path, needs) as data:
        splits = {
            name: Split(int(split["lines"]), dict(split["sha256"]))
            for name, split in data["splits"].items()
        }
        return Corpus(str(data["url"]), splits)


def get_raw(
    corpus: Corpus, languages: tuple[str, str], folder: Path | None, downloads: Path, output: Path
) -> None:
    """Writes the checked, uncompressed files of a pair of languages to ``output``.

    They come from ``folder`` if one is named, else from the corpus's address through
    ``downloads``, where complete ones are kept.
    """
    check_languages(corpus, languages)
    for name, split in corpus.splits.items():
        for language in languages:
            base = f"{name}.{language}"
            if folder is None:
                source = downloads / f"{base}.gz"
                if not source.exists():
                    url = corpus.url.format(split=name, language=language)
                    print(f"downloading {url}", flush=True)
                    download([url], source)
            else:
                source = find(folder, base)
            with readable(source) as file:
                text = file.read()
            remedy = f"remove {source} and get it again" if folder is None else "get it again"
            check(text, split.lines, split.sha256[language], source, remedy)
            with written_whole(output / base) as temporary:
                temporary.write_bytes(text)


def check_languages(corpus: Corpus, languages: tuple[str, str]) -> None:
    """Stops unless the two differ and every split has them."""
    if languages[0] == languages[1]:
        raise UserError(f"{languages[0]} cannot be both source and target")
    for language in languages:
        for split in corpus.splits.values():
            if language not in split.sha256:
                known = ", ".join(sorted(split.sha256))
                raise UserError(f"the corpus has no {language}: choose from {known}")


def find(folder: Path, base: str) -> Path:
    """The file in the user's folder, compressed or not."""
    for path in (folder / f"{base}.gz", folder / base):
        if path.is_file():
            return path
    raise UserError(
        f"{folder} has neither {base}.gz nor {base}: "
        "name the folder of the published files with --raw, or leave it out to download them"
    )


def check(text: bytes, lines: int, sha256: str, source: Path, remedy: str) -> None:
    """Stops unless the text is the published one."""
    found = text.count(b"\n")
    if found != lines:
        raise UserError(f"{source} has {found} lines, not {lines}: {remedy}")
    if (digest := hashlib.sha256(text).hexdigest()) != sha256:
        raise UserError(
            f"{source} is not the published text: its sha256 is {digest}, not {sha256}: {remedy}"
        )
