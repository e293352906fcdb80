"""Pipes as inputs of commands that read a file more than once: they are copied first."""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path

from moe_nmt.errors import UserError

STANDARD_INPUT = "-"


def is_pipe(path: Path) -> bool:
    """Whether a path is the standard input, a pipe, or a device: what can be read once."""
    return str(path) == STANDARD_INPUT or (
        path.exists() and not path.is_file() and not path.is_dir()
    )


@contextmanager
def copied_pipes(paths: Sequence[Path]) -> Iterator[list[Path]]:
    """The same paths, a file with its contents in the place of each pipe, for as long as it lasts.

    Raises:
        UserError: a pipe is named twice, or cannot be read.
    """
    pipes = [path for path in paths if is_pipe(path)]
    for path in pipes:
        if pipes.count(path) > 1:
            raise UserError(f"{path} is named twice, and a pipe can be read once: make it a file")
    with tempfile.TemporaryDirectory(prefix="moe_nmt-") as folder:
        copies = {path: copy_of(path, Path(folder)) for path in pipes}
        try:
            yield [copies.get(path, path) for path in paths]
        except UserError as error:
            raise UserError(with_names_of(copies, str(error))) from error


def with_names_of(copies: Mapping[Path, Path], sentence: str) -> str:
    """A sentence that names the pipes and not their copies."""
    for pipe, copy in copies.items():
        name = "the standard input" if str(pipe) == STANDARD_INPUT else str(pipe)
        sentence = sentence.replace(str(copy), name)
    return sentence


def copy_of(pipe: Path, folder: Path) -> Path:
    """A file in a folder with what a pipe holds."""
    path = Path("/dev/stdin") if str(pipe) == STANDARD_INPUT else pipe
    copy = folder / f"{path.parent.name}.{path.name}"
    try:
        with path.open("rb") as source, copy.open("wb") as file:
            shutil.copyfileobj(source, file)
    except OSError as error:
        raise UserError(f"cannot read {pipe}: {error.strerror or error}") from error
    return copy
