"""What is known of published corpora: plain data in YAML files, and sacreBLEU's test sets."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from sacrebleu.dataset import DATASETS

from moe_nmt.corpus.sources.description import FOLDER, description
from moe_nmt.corpus.sources.download import Checksum
from moe_nmt.errors import UserError
from moe_nmt.files.resources import DESCRIPTIONS, resources

SUFFIXES = (".yaml", ".yml")  # of descriptions named by their path
NEEDS = f"name, archive and pairs, as wmt14_europarl.yaml has them in the folder {FOLDER}"


@dataclass(frozen=True)
class Corpus:
    """A published corpus of a pair of languages, with its members of the archive, in order.

    ``pairs`` is the number of pairs that is quoted for it, if any; ``licence`` what its description
    says of it.
    """

    name: str
    urls: tuple[str, ...]
    checksum: Checksum
    members: tuple[str, str]
    pairs: int | None = None
    licence: str | None = None
    citations: tuple[str, ...] = ()

    @property
    def path(self) -> str:
        """Where the archive lies in a folder of archives: as on the server, wmt13/test.tgz."""
        parts = urlsplit(self.urls[0]).path.split("/")
        return "/".join(part for part in parts if part not in ("", ".", ".."))


def find_corpus(name: str, languages: tuple[str, str]) -> Corpus:
    """The corpus of a description, by its path or as one of ours, or of sacreBLEU's registry."""
    if name.endswith(SUFFIXES):
        return read_description(Path(name), languages)
    if name in DATASETS:
        return sacrebleu_set(name, languages)
    ours = descriptions()
    if name not in ours:
        raise UserError(
            f"{name} is neither a .yaml file nor a test set of sacreBLEU, which sacrebleu --list "
            f"names, nor one of {', '.join(ours)}"
        )
    return read_description(ours[name], languages)


def descriptions() -> dict[str, Path]:
    """The descriptions of one archive each that travel with the package, by name."""
    found = {}
    for path in sorted(resources(DESCRIPTIONS).glob("*.yaml")):
        with description(path, NEEDS) as data:
            if "archive" in data:
                found[path.stem] = path
    return found


def read_description(path: Path, languages: tuple[str, str]) -> Corpus:
    """Reads a description such as data/wmt14_europarl.yaml."""
    with description(path, NEEDS) as data:
        archive, pairs = data["archive"], data["pairs"]
        algorithm = "sha256" if "sha256" in archive else "md5"
        checksum = Checksum(algorithm, str(archive[algorithm]), archive.get("bytes"))
        urls = tuple(map(str, archive["urls"]))
        if not urls or not all(isinstance(pair["members"], dict) for pair in pairs.values()):
            raise ValueError("urls or members are missing")
        if not re.fullmatch(r"\w[\w.-]*", name := str(data["name"])):
            raise ValueError(f"the name {name} must be letters, digits and dashes")
        pair = of_languages(pairs, languages)
        if pair is None:
            raise UserError(f"{path} has no {'-'.join(languages)}: it has {', '.join(pairs)}")
        members = pair["members"]
        source, target = (str(members[language]) for language in languages)
        licence = data.get("licence")
        return Corpus(
            name,
            urls,
            checksum,
            (source, target),
            pair.get("lines"),
            None if licence is None else " ".join(str(licence).split()),
            tuple(map(str, data.get("citations", ()))),
        )


def of_languages(pairs: Mapping[str, Any], languages: tuple[str, str]) -> Any:
    """What is known of a pair of languages, whichever stands first."""
    source, target = languages
    return pairs.get(f"{source}-{target}", pairs.get(f"{target}-{source}"))


def sacrebleu_set(name: str, languages: tuple[str, str]) -> Corpus:
    """A test set of sacreBLEU's registry, wmt14/full, say."""
    dataset = DATASETS[name]
    pair = "-".join(languages)
    members = dataset.langpairs.get(pair)
    if members is None:
        known = ", ".join(dataset.langpairs)
        raise UserError(f"sacreBLEU's {name} has no {pair}: it has {known}")
    is_pair = isinstance(members, list) and len(members) >= 2
    if dataset.data is None or len(dataset.data) != 1 or not dataset.md5 or not is_pair:
        raise UserError(
            f"sacreBLEU's {name} is not one archive of two files: "
            "get its text with sacrebleu --echo and name the files with --valid or --test"
        )
    source, target = members[:2]
    checksum = Checksum("md5", dataset.md5[0])
    citations = (" ".join(dataset.citation.split()),) if dataset.citation else ()
    return Corpus(
        name.replace("/", "_"),
        (dataset.data[0],),
        checksum,
        (source, target),
        citations=citations,
    )
