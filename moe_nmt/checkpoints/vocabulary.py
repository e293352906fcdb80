"""A checkpoint's vocabulary: recognised again, and extended to train on with new words."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import torch
from fairseq.data import Dictionary
from torch import Tensor

from moe_nmt.checkpoints.reading import read
from moe_nmt.checkpoints.shards import refuse_sharded
from moe_nmt.errors import UserError

# The rows of these parameters are words, of the source or of the target.
SOURCE_ROWS = ("encoder.embedding.weight",)
TARGET_ROWS = ("decoder.embedding.weight", "decoder.output_embedding.weight")
NOISE = 0.1  # of a new row, in standard deviations of the old ones


def fingerprint(dictionary: Dictionary) -> str:
    """A hash of the words and their order; counts do not matter."""
    words = "\n".join(dictionary.symbols)
    return f"{len(dictionary)} words, sha256 {hashlib.sha256(words.encode()).hexdigest()}"


def dictionaries_of(folder: Path) -> tuple[Dictionary, Dictionary]:
    """Source and target of a folder of fairseq-preprocess, known by the names of its files."""
    pairs = {tuple(path.name.split(".")[1].split("-")) for path in folder.glob("*.*-*.*.idx")}
    if len(pairs) != 1:
        raise UserError(f"{folder} is no folder of binarised text: make it with moe-nmt-prepare")
    source, target = [folder / f"dict.{language}.txt" for language in pairs.pop()]
    for path in (source, target):
        if not path.is_file():
            raise UserError(f"{folder} has no {path.name}: binarise the text again")
    found = dictionary(source), dictionary(target)
    for path, words in zip((source, target), found, strict=True):
        if len(words) == words.nspecial:
            raise UserError(f"{path} has no words: binarise the text again")
    return found


def dictionary(path: Path) -> Dictionary:
    """A file of words and their counts, as fairseq-preprocess writes it.

    Raises:
        UserError: it is missing, or another kind of file.
    """
    try:
        return Dictionary.load(str(path))
    except OSError as error:
        raise UserError(f"cannot read {path}: {error.strerror}") from error
    except Exception as error:  # fairseq raises it for what is not UTF-8
        raise UserError(
            f"{path} is no dictionary, a word and its count a line: get it again"
        ) from error


def extended(
    checkpoint: Path, old: Path | None, new: Path, seed: int
) -> tuple[dict[str, Any], int]:
    """A checkpoint with the words of another folder, and how many of them are new to it.

    The words that it knows keep their rows, wherever they stand now.  A new one begins as the mean
    of all old rows, and noise that tells it from the other new ones.  The state of the optimizer,
    which has rows too, is left out.

    Args:
        checkpoint: of fairseq-train.
        old: the folder it was trained on; None: as the checkpoint names it.
        new: the folder to train on.
        seed: of the noise.

    Raises:
        UserError: a folder or file is missing, or is another one.
    """
    state = read(checkpoint)
    refuse_sharded(checkpoint, state)
    if old is None:
        old = recorded_data(checkpoint, state, "--old-data")
    known, wanted = dictionaries_of(old), dictionaries_of(new)
    refuse_other_vocabulary(checkpoint, state, known, old)
    model: dict[str, Tensor] = state["model"]
    fresh = 0
    for names, before, after in zip((SOURCE_ROWS, TARGET_ROWS), known, wanted, strict=True):
        rows = [before.indices.get(word, -1) for word in after.symbols]
        fresh += rows.count(-1)
        for name in names:
            if name not in model:
                raise UserError(f"{checkpoint} is of a model of another project: it has no {name}")
            model[name] = with_rows(model[name], rows, before.pad(), seed)
    state["task_state"] = {
        "source_words": fingerprint(wanted[0]),
        "target_words": fingerprint(wanted[1]),
    }
    state.pop("last_optimizer_state", None)
    return state, fresh


def with_rows(old: Tensor, rows: Sequence[int], pad: int, seed: int) -> Tensor:
    """Rows of a parameter in another order, some of them new.

    Args:
        old: [words, dim].
        rows: for each new row the old one's number, or -1.
        pad: an old row that is no word.
        seed: of the noise in new rows.

    Returns:
        [new words, dim].
    """
    words = torch.cat([old[:pad], old[pad + 1 :]]).float()
    noise = torch.randn(
        len(rows), old.size(1), generator=torch.Generator().manual_seed(seed), dtype=torch.float32
    )
    fresh = words.mean(0) + NOISE * words.std(0) * noise
    numbers = torch.tensor(rows)
    return torch.where(numbers[:, None] < 0, fresh.to(old.dtype), old[numbers.clamp_min(0)])


def refuse_other_vocabulary(
    checkpoint: Path, state: dict[str, Any], known: tuple[Dictionary, Dictionary], folder: Path
) -> None:
    """Stops unless the dictionaries are those that a checkpoint was trained with."""
    expected = state.get("task_state") or {}
    for side, dictionary in zip(("source_words", "target_words"), known, strict=True):
        if expected.get(side, fingerprint(dictionary)) != fingerprint(dictionary):
            raise UserError(
                f"{checkpoint} was not trained with the dictionaries of {folder}: name the folder "
                "of its training with --old-data"
            )


def recorded_data(checkpoint: Path, state: dict[str, Any], option: str) -> Path:
    """The folder that a training read, as its checkpoint names it; or else ``option`` must."""
    task = (state.get("cfg") or {}).get("task") or {}
    first = str((vars(task) if not hasattr(task, "get") else task).get("data") or "").split(":")[0]
    if not first or not Path(first).is_dir():
        raise UserError(
            f"{checkpoint} was trained on {first or 'a folder it does not name'}, which is not "
            f"here: name the folder of fairseq-preprocess with {option}"
        )
    return Path(first)
