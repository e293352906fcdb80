"""Runs a command once: skipped when done, redone when its inputs or options changed.

The commands of a recipe run in its output folder and name its files relatively, so that the folder
can be moved.  A stage is known by its key, a hash of the command and of its inputs' contents.  The
folder ``.stages`` keeps the key of the last start and that of the last success.
"""

from __future__ import annotations

import hashlib
import json
import shutil
import subprocess
import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

import moe_nmt
from moe_nmt.corpus.files import written_whole

CHECKOUT = "{checkout}"  # in a command: the folder that holds moe_nmt, wherever that is
STATE = Path(".stages")
KEY_LENGTH = 12  # digits that tell the keys of set-aside outputs apart
INTERRUPTED = 130


@dataclass(frozen=True)
class Stage:
    """A named command with the files it reads and writes.

    A resumable one goes on from the outputs of an interrupted run of the same key, and its outputs
    of another key are set aside, not removed.
    """

    name: str
    command: Sequence[str]
    inputs: Sequence[str]
    outputs: Sequence[Path]
    stdout: Path | None = None
    is_resumable: bool = False

    @property
    def all_outputs(self) -> list[Path]:
        """The outputs and, if the command's standard output is kept, that too."""
        return [*self.outputs, *([self.stdout] if self.stdout else [])]

    @property
    def started(self) -> Path:
        """Holds the key of the last start."""
        return STATE / f"{self.name}.started"

    @property
    def done(self) -> Path:
        """Holds the key of the last success, and when it was."""
        return STATE / f"{self.name}.json"


def expand(argument: str) -> str:
    """Puts the checkout's folder in its place."""
    return argument.replace(CHECKOUT, str(Path(moe_nmt.__file__).resolve().parents[1]))


def key_of(stage: Stage) -> str:
    """The hash of what a stage's outputs depend on."""
    digest = hashlib.sha256(json.dumps([*stage.command]).encode())
    for name in stage.inputs:
        path = Path(expand(name))
        if not path.is_file():
            raise SystemExit(
                f"moe_nmt: {path}, which stage {stage.name} reads, is missing: "
                "run the recipe again from its first stage"
            )
        digest.update(f"\n{name} ".encode())
        with path.open("rb") as file:
            digest.update(hashlib.file_digest(file, "sha256").digest())
    return digest.hexdigest()


def recorded_key(path: Path) -> str | None:
    """The key in a record of a start or of a success, if there is one."""
    try:
        key: str = json.loads(path.read_text(encoding="utf-8"))["key"]
    except (OSError, ValueError, KeyError, TypeError):
        return None
    return key


def record(path: Path, **values: object) -> None:
    """Writes a record."""
    with written_whole(path) as temporary:
        temporary.write_text(json.dumps(values) + "\n", encoding="utf-8")


def run(stage: Stage) -> None:
    """Runs a stage unless it is done."""
    key = key_of(stage)
    last = recorded_key(stage.done)
    if last == key and all(path.exists() for path in stage.all_outputs):
        say(stage, "up to date, skipped")
        return
    say(stage, describe(stage, key, last))
    stage.done.unlink(missing_ok=True)
    clear(stage, key)
    record(stage.started, key=key)
    begin = time.monotonic()
    execute(stage)
    for path in stage.all_outputs:
        if not path.exists():
            raise SystemExit(f"moe_nmt: stage {stage.name} ended well but did not write {path}")
    record(stage.done, key=key, finished=time.strftime("%Y-%m-%d %H:%M:%S %z"))
    say(stage, f"done in {time.monotonic() - begin:.0f} s")


def say(stage: Stage, what: str) -> None:
    """Tells the user about a stage."""
    print(f"[{stage.name}] {what}", flush=True)


def describe(stage: Stage, key: str, last: str | None) -> str:
    """Why the stage runs."""
    if last is not None:
        reason = "an output is missing" if last == key else "inputs or options changed"
        return f"{reason}, running again"
    if recorded_key(stage.started) == key:
        return f"was interrupted, {'going on' if stage.is_resumable else 'running again'}"
    return "running"


def clear(stage: Stage, key: str) -> None:
    """Makes way for the outputs: what another key left must not mix with them."""
    old = recorded_key(stage.started)
    for path in stage.all_outputs:
        if old is None and path.exists():
            raise SystemExit(
                f"moe_nmt: {path.resolve()} exists but this recipe did not make it: "
                "choose another --out, or remove it"
            )
        if not stage.is_resumable:
            remove(path)
        elif old is not None and old != key:
            exchange(stage, path, old, key)


def exchange(stage: Stage, path: Path, old: str, key: str) -> None:
    """Sets an output of another key aside, and fetches the one of this key if it was set aside."""
    aside, mine = (path.with_name(f"{path.name}.{k[:KEY_LENGTH]}") for k in (old, key))
    if path.exists():
        path.rename(aside)
        say(stage, f"set {path} of other inputs or options aside as {aside}")
    if mine.exists():
        mine.rename(path)
        say(stage, f"went back to {mine} of these inputs and options")


def remove(path: Path) -> None:
    """Removes a file or a folder, if it is there."""
    if path.is_dir():
        shutil.rmtree(path)
    else:
        path.unlink(missing_ok=True)


def execute(stage: Stage) -> None:
    """Runs the command; a failure ends the recipe with one sentence."""
    if stage.stdout is None:
        call(stage, None)
    else:
        with written_whole(stage.stdout) as temporary, temporary.open("wb") as file:
            call(stage, file)


def call(stage: Stage, stdout: BinaryIO | None) -> None:
    """Starts the command and waits for it, after an interrupt too."""
    command = [expand(argument) for argument in stage.command]
    try:
        process = subprocess.Popen(command, stdout=stdout)
    except OSError as error:
        raise SystemExit(
            f"moe_nmt: cannot run {command[0]}: {error.strerror}; activate the environment "
            "that moe_nmt is installed in"
        ) from error
    try:
        status = process.wait()
    except KeyboardInterrupt:
        process.wait()
        say(stage, "interrupted: run the same command again to go on")
        sys.exit(INTERRUPTED)
    if status != 0:
        raise SystemExit(
            f"moe_nmt: stage {stage.name} failed with exit status {status}: "
            "mend the cause above and run the same command again"
        )
