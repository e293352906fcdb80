"""A user's own files: in pairs, as source target source target ..., or of one language."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from moe_nmt.errors import UserError
from moe_nmt.files.containers import plain_name
from moe_nmt.files.pipes import is_pipe


@dataclass(frozen=True)
class OwnText:
    """A file of each language, which may be compressed, named by what their names begin with."""

    name: str
    paths: tuple[Path, ...]


def languages_of(asked: Sequence[str] | None, files: Sequence[str]) -> tuple[str, str]:
    """The two languages: those asked for, else what the names of the first two files end in."""
    if asked is None and len(files) < 2:
        raise UserError("name the two languages with --languages")
    source, target = asked or (suffix(file) for file in files[:2])
    for language in (source, target):
        if not language.replace("_", "").isalnum():
            raise UserError(
                f"{language!r} is no language: name both, letters and digits, with --languages"
            )
    if source == target:
        raise UserError(
            f"{source} cannot be both source and target: files come as source target "
            "source target, or name the two with --languages"
        )
    return source, target


def suffix(file: str) -> str:
    """What a name ends in, that of its compression aside."""
    return Path(plain_name(file)).suffix.removeprefix(".")


def check_pairs(files: Sequence[str], option: str) -> None:
    """Stops where a file of an option has no translation."""
    if len(files) % 2:
        raise UserError(
            f"{option} has {len(files)} files: they come in pairs, source before target"
        )


def own_texts(files: Sequence[str], languages: tuple[str, ...], option: str) -> list[OwnText]:
    """The texts of an option's files; stops where files are missing or seem to be swapped."""
    texts: list[OwnText] = []
    sides = len(languages)
    for sides_files in zip(*(files[side::sides] for side in range(sides)), strict=True):
        if sides > 1 and tuple(map(suffix, sides_files)) == languages[::-1]:
            raise UserError(
                f"{option} {' '.join(sides_files)} looks swapped: "
                f"{languages[0]} comes before {languages[1]}"
            )
        for file in sides_files:
            if is_pipe(Path(file)):
                raise UserError(
                    f"{option} {file} is a pipe, and is read more than once: write it to a file "
                    "first, compressed if you like"
                )
            if not Path(file).is_file():
                raise UserError(f"{option} {file} is no file")
        stem = Path(plain_name(sides_files[0])).name.removesuffix(f".{languages[0]}")
        names = [text.name for text in texts]
        number = next(n for n in range(1, len(texts) + 2) if numbered(stem, n) not in names)
        texts.append(OwnText(numbered(stem, number), tuple(map(Path, sides_files))))
    return texts


def numbered(stem: str, number: int) -> str:
    """Tells texts of the same name apart."""
    return stem if number == 1 else f"{stem}-{number}"
