"""Runs the stages of a recipe once each: skipped when done, redone when something changed.

A stage is known by its key, a hash of its recipe (a command, or options and versions of tools) and
of its inputs' contents.  The folder ``.stages`` of the output folder keeps for every stage the key
of the last start, and after success a manifest: recipe, inputs and outputs with their hashes, and
what the stage counted.  A stage is skipped only if its outputs are the bytes that it wrote.
"""

from __future__ import annotations

import fcntl
import hashlib
import json
import os
import shutil
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from moe_nmt.errors import UserError
from moe_nmt.files.hashes import Hashes
from moe_nmt.files.text import written_whole

STATE = ".stages"
KEY_LENGTH = 12  # digits that tell the keys of set-aside outputs apart

Facts = Mapping[str, Any]  # what a stage counted, for its manifest


@dataclass(frozen=True)
class Stage:
    """What a stage depends on and what it writes.

    ``inputs`` are files by the names that the key holds; ``outputs`` are files or folders, relative
    to the output folder.  A resumable stage goes on from the outputs of an interrupted run of the
    same key, and its outputs of another key are set aside, not removed.
    """

    name: str
    recipe: Sequence[str] | Mapping[str, Any]
    inputs: Mapping[str, Path] = field(default_factory=dict)
    outputs: Sequence[Path] = ()
    is_resumable: bool = False


class Stages:
    """The stages of one output folder, in a ``with`` block that keeps other runs out of it."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.state = folder / STATE
        self.hashes = Hashes(self.state / "hashes.json")

    def __enter__(self) -> Stages:
        try:
            self.state.mkdir(parents=True, exist_ok=True)
            self.lock = (self.state / "lock").open("w")
        except OSError as error:
            raise UserError(f"cannot write to {self.folder}: {error.strerror}") from error
        try:
            fcntl.lockf(self.lock, fcntl.LOCK_EX | fcntl.LOCK_NB)  # ends with the process
        except OSError as error:
            raise UserError(
                f"another run is at work in {self.folder.resolve()}: "
                "wait for its end, or choose another output folder"
            ) from error
        return self

    def __exit__(self, *_: object) -> None:
        self.lock.close()

    def run(self, stage: Stage, action: Callable[[], Facts | None]) -> Facts:
        """Runs a stage unless it is done; returns what it counted, now or then."""
        begin, times = time.monotonic(), os.times()
        inputs = self.hashed_inputs(stage)
        key = key_of(stage.recipe, inputs)
        last = read_record(self.manifest(stage))
        reason = self.reason(stage, key, inputs, last)
        if reason is None:
            say(stage.name, "up to date, skipped")
            facts: Facts = last.get("facts", {})
            return facts
        say(stage.name, reason)
        self.manifest(stage).unlink(missing_ok=True)
        self.clear(stage, key)
        self.record(self.started(stage), key=key)
        facts = action() or {}
        for path in stage.outputs:
            if not (self.folder / path).exists():
                raise UserError(f"stage {stage.name} ended well but did not write {path}")
        outputs = self.hashed_outputs(stage)
        seconds = time.monotonic() - begin
        main, workers = (sum(os.times()[i:j]) - sum(times[i:j]) for i, j in ((0, 2), (2, 4)))
        self.record(
            self.manifest(stage),
            key=key,
            recipe=stage.recipe,
            inputs=inputs,
            outputs=outputs,
            facts=facts,
            seconds=round(seconds, 2),
            cpu_seconds={"main": round(main, 2), "workers": round(workers, 2)},
            finished=time.strftime("%Y-%m-%d %H:%M:%S %z"),
        )
        say(stage.name, f"done in {seconds:.0f} s")
        return facts

    def started(self, stage: Stage) -> Path:
        """Holds the key of the last start."""
        return self.state / f"{stage.name}.started"

    def manifest(self, stage: Stage) -> Path:
        """Tells of the last success."""
        return self.state / f"{stage.name}.json"

    def hashed_inputs(self, stage: Stage) -> dict[str, str]:
        """Each input's name and hash."""
        for path in stage.inputs.values():
            if not path.is_file():
                raise UserError(
                    f"{path}, which stage {stage.name} reads, is missing: "
                    "run the recipe again from its first stage"
                )
        return {name: self.hashes.of(path) for name, path in stage.inputs.items()}

    def hashed_outputs(self, stage: Stage) -> dict[str, str]:
        """Each output's name and hash; a folder, which others may write to, has none."""
        paths = {str(path): self.folder / path for path in stage.outputs}
        return {name: self.hashes.of(path) for name, path in paths.items() if path.is_file()}

    def reason(
        self, stage: Stage, key: str, inputs: Mapping[str, str], last: Mapping[str, Any]
    ) -> str | None:
        """Why a stage must run; None if it need not."""
        if not last:
            if read_record(self.started(stage)).get("key") == key:
                how = "going on" if stage.is_resumable else "running again"
                return f"was interrupted, {how}"
            return "running"
        if last.get("key") != key:
            what = ", ".join(changes(last, stage.recipe, inputs))
            return f"changed: {what or 'inputs or options'}; running again"
        for path in stage.outputs:
            if not (self.folder / path).exists():
                return f"{path} is missing, running again"
        for name, digest in self.hashed_outputs(stage).items():
            if last.get("outputs", {}).get(name, digest) != digest:
                return f"{name} is not what this stage wrote, running again"
        return None

    def clear(self, stage: Stage, key: str) -> None:
        """Makes way for the outputs: what another key left must not mix with them."""
        old = read_record(self.started(stage)).get("key")
        for output in stage.outputs:
            path = self.folder / output
            if old is None and path.exists():
                raise UserError(
                    f"{path.resolve()} exists but this recipe did not make it: "
                    "choose another output folder, or remove it"
                )
            if not stage.is_resumable:
                remove(path)
            elif old is not None and old != key:
                exchange(stage, path, old, key)

    def record(self, path: Path, **values: object) -> None:
        """Writes a record."""
        with written_whole(path) as temporary:
            temporary.write_text(json.dumps(values, indent=1) + "\n", encoding="utf-8")


def key_of(recipe: Sequence[str] | Mapping[str, Any], inputs: Mapping[str, str]) -> str:
    """The hash of what a stage's outputs depend on."""
    digest = hashlib.sha256(json.dumps(recipe).encode())
    for name, content in inputs.items():
        digest.update(f"\n{name} ".encode() + bytes.fromhex(content))
    return digest.hexdigest()


def read_record(path: Path) -> Mapping[str, Any]:
    """A record of a start or of a success; nothing if there is none."""
    try:
        record = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {}
    return record if isinstance(record, dict) else {}


def changes(
    last: Mapping[str, Any], recipe: Sequence[str] | Mapping[str, Any], inputs: Mapping[str, str]
) -> list[str]:
    """What is not as it was: options by name and value, inputs by name."""
    old_recipe, old_inputs = last.get("recipe"), last.get("inputs")
    found = []
    if isinstance(recipe, Mapping) and isinstance(old_recipe, Mapping):
        plain = json.loads(json.dumps(recipe))  # tuples as the lists that were recorded
        for name in sorted({*plain, *old_recipe}):
            before, after = old_recipe.get(name), plain.get(name)
            if before != after:
                is_short = len(f"{before}{after}") < 80
                found.append(f"{name} from {before} to {after}" if is_short else name)
    elif old_recipe is not None and list(recipe) != old_recipe:
        found.append("the command")
    if isinstance(old_inputs, Mapping):
        names = sorted({*inputs, *old_inputs})
        found += [name for name in names if old_inputs.get(name) != inputs.get(name)]
    return found


def say(name: str, what: str) -> None:
    """Tells the user about a stage."""
    print(f"[{name}] {what}", flush=True)


def exchange(stage: Stage, path: Path, old: str, key: str) -> None:
    """Sets an output of another key aside, and fetches the one of this key if it was set aside."""
    aside, mine = (path.with_name(f"{path.name}.{k[:KEY_LENGTH]}") for k in (old, key))
    if path.exists():
        path.rename(aside)
        say(stage.name, f"set {path} of other inputs or options aside as {aside}")
    if mine.exists():
        mine.rename(path)
        say(stage.name, f"went back to {mine} of these inputs and options")


def remove(path: Path) -> None:
    """Removes a file or a folder, if it is there."""
    if path.is_dir():
        shutil.rmtree(path)
    else:
        path.unlink(missing_ok=True)
