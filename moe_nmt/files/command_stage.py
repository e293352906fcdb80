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
) -> None:
    """Runs a command as a stage of the current folder; ``stdout`` takes its standard output."""
    files = {name: Path(expand(name)) for name in inputs}
    written = [*outputs, *([stdout] if stdout else [])]
    stage = Stage(name, list(command), files, written, is_resumable)
    with Stages(Path()) as stages:
        stages.run(stage, lambda: execute(name, command, stdout))


def expand(argument: str) -> str:
    """Puts the checkout's folder in its place."""
    return argument.replace(CHECKOUT, str(Path(moe_nmt.__file__).resolve().parents[1]))


def execute(name: str, command: Sequence[str], stdout: Path | None) -> None:
    """Runs the command; a failure ends the recipe with one sentence."""
    if stdout is None:
        call(name, command, None)
    else:
        with written_whole(stdout) as temporary, temporary.open("wb") as file:
            call(name, command, file)


def call(name: str, command: Sequence[str], stdout: BinaryIO | None) -> None:
    """Starts the command and waits for it, after an interrupt too."""
    arguments = [expand(argument) for argument in command]
    try:
        process = subprocess.Popen(arguments, stdout=stdout)
    except OSError as error:
        raise UserError(
            f"cannot run {arguments[0]}: {error.strerror}; activate the environment "
            "that moe_nmt is installed in"
        ) from error
    try:
        status = process.wait()
    except KeyboardInterrupt:
        process.wait()
        say(name, "interrupted: run the same command again to go on")
        sys.exit(INTERRUPTED)
    if status != 0:
        raise UserError(
            f"stage {name} failed with exit status {status}: "
            "mend the cause above and run the same command again"
        )
