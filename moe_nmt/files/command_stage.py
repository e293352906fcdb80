"""A stage that is a command, for recipes in shell.

The commands of a recipe run in its output folder and name its files relatively, so that the folder
can be moved.
"""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import BinaryIO

import moe_nmt
from moe_nmt.errors import UserError
from moe_nmt.files.stages import Stage, Stages, say
from moe_nmt.files.text import written_whole

CHECKOUT = "{checkout}"  # in a command: the folder that holds moe_nmt, wherever that is
INTERRUPTED = 130


def run_command(
    name: str,
    command: Sequence[str],
    inputs: Sequence[str],
    outputs: Sequence[Path],
    stdout: Path | None = None,
    is_resumable: bool = False,
    folder: Path = Path(),
) -> None:
    """Runs a command as a stage of a folder, in which it runs.

    Args:
        name: of the stage.
        command: the program and its arguments.
        inputs: files it reads, absolute or from the current folder.
        outputs: files and folders it writes, from ``folder``.
        stdout: takes its standard output, from ``folder``: written whole, or added to by a
            resumable command, which goes on with it.
        is_resumable: whether the command goes on where it was interrupted.
        folder: of the stage.

    Raises:
        UserError: the command failed, or a file is missing.
    """
    files = {name: Path(expand(name)) for name in inputs}
    written = [*outputs, *([stdout] if stdout else [])]
    stage = Stage(name, list(command), files, written, is_resumable)
    with Stages(folder) as stages:
        stages.run(stage, lambda: execute(stage, folder, stdout))


def expand(argument: str) -> str:
    """Puts the checkout's folder in its place."""
    return argument.replace(CHECKOUT, str(Path(moe_nmt.__file__).resolve().parents[1]))


def execute(stage: Stage, folder: Path, stdout: Path | None) -> None:
    """Runs the command; a failure ends the recipe with one sentence."""
    if stdout is None:
        call(stage, folder, None)
    elif stage.is_resumable:
        with (folder / stdout).open("ab") as file:
            call(stage, folder, file)
    else:
        with written_whole(folder / stdout) as temporary, temporary.open("wb") as file:
            call(stage, folder, file)


def call(stage: Stage, folder: Path, stdout: BinaryIO | None) -> None:
    """Starts the command and waits for it, after an interrupt too."""
    arguments = [expand(argument) for argument in stage.recipe]
    try:
        process = subprocess.Popen(arguments, stdout=stdout, cwd=folder)
    except OSError as error:
        raise UserError(
            f"cannot run {arguments[0]}: {error.strerror}; activate the environment "
            "that moe_nmt is installed in"
        ) from error
    try:
        status = process.wait()
    except KeyboardInterrupt:
        process.wait()
        say(stage.name, "interrupted: run the same command again to go on")
        sys.exit(INTERRUPTED)
    if status != 0:
        raise UserError(
            f"stage {stage.name} failed with exit status {status}: "
            "mend the cause above and run the same command again"
        )
