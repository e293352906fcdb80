"""A folder with all that a trained model needs for raw text, and nothing that is code.

model.json         how to read the others; their sizes and hashes
model.safetensors  the weights
source.dict.txt    the dictionaries, as fairseq writes them; dict.txt: of a language model
target.dict.txt
subword.model      what makes subwords of the source; none for a model of words
README.md          for people: the model card
"""

from __future__ import annotations

import shutil
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import safetensors
import torch
from fairseq.data import Dictionary
from safetensors import SafetensorError
from safetensors.torch import load_file, save_file
from torch import Tensor

from moe_nmt.checkpoints.vocabulary import dictionary
from moe_nmt.corpus.subwords import subword
from moe_nmt.corpus.subwords.moses import Moses
from moe_nmt.corpus.subwords.pieces import KINDS, WORDS
from moe_nmt.errors import UserError, first_line, reason_of
from moe_nmt.files.hashes import sha256
from moe_nmt.translation.description import Description, Side
from moe_nmt.translation.text import SourceText, TargetText
from moe_nmt.translation.text_model import Languages, Model

DESCRIPTION, WEIGHTS, CARD = "model.json", "model.safetensors", "README.md"
SUBWORDS = "subword.model"

OF_TORCH = RuntimeError, SafetensorError


@dataclass(frozen=True)
class ModelFolder:
    """A folder that was read, its files found whole."""

    path: Path
    description: Description

    @classmethod
    def read(cls, path: Path) -> ModelFolder:
        """Opens a folder.

        Raises:
            UserError: it is none, or a file of it is not the one that was packed.
        """
        if not path.is_dir():
            raise UserError(f"{path} is no folder: name one that moe-nmt-pack has made")
        folder = cls(path, Description.read(path / DESCRIPTION))
        for name, packed in folder.description.files.items():
            folder.check(path / name, packed)
        for name in (WEIGHTS, *folder.description.of_kind.dictionaries):
            if name not in folder.description.files:
                raise UserError(f"{path / DESCRIPTION} names no {name}: make the folder again")
        kinds = {folder.description.source.pieces, folder.description.target.pieces}
        if (kinds != {WORDS}) != (SUBWORDS in folder.description.files):
            raise UserError(
                f"{path / DESCRIPTION} has pieces {' and '.join(sorted(kinds))}, which do not fit "
                f"its files, with a {SUBWORDS} or without: make the folder again"
            )
        return folder

    def check(self, file: Path, packed: dict[str, Any]) -> None:
        """Stops unless a file is the one that was packed."""
        if file.parent != self.path:
            raise UserError(f"{self.path / DESCRIPTION} names a file elsewhere, {file}")
        try:
            same = file.stat().st_size == packed["bytes"] and sha256(file) == packed["sha256"]
        except (OSError, ValueError) as error:  # a name may hold what none can
            raise UserError(f"cannot read {file}: {reason_of(error)}") from error
        if not same:
            raise UserError(f"{file} is not the file that was packed: get it again")

    def hash_of(self, name: str) -> str | None:
        """The hash of a file, None where there is none of that name."""
        packed = self.description.files.get(name)
        return None if packed is None else str(packed["sha256"])

    def dictionaries(self) -> tuple[Dictionary, Dictionary]:
        """Of the source and of the target."""
        names = self.description.of_kind.dictionaries
        source, target = (dictionary(self.path / name) for name in names)
        return source, target

    def languages(self) -> Languages:
        """Both ends of the model."""
        source, target = self.description.source, self.description.target
        segmenter = None
        if self.hash_of(SUBWORDS) is not None:
            segmenter = subword.load(self.path / SUBWORDS)
        return Languages(
            (source.language, target.language),
            SourceText(KINDS[source.pieces], segmenter, moses(source)),
            TargetText(KINDS[target.pieces], moses(target)),
            *self.dictionaries(),
        )

    def model(self) -> Model:
        """The model, in float32 on the CPU, ready for text."""
        try:
            weights = load_file(self.path / WEIGHTS)
            kind = self.description.of_kind
            config = kind.config(**self.description.model)
            layers = [n for name, n in vars(config).items() if name.endswith("_layers")]
            if max(layers) > len(weights):
                raise ValueError("it has fewer weights than layers")
            with torch.device("meta"):  # no time is lost on weights that are replaced at once
                model: Model = kind.build(config, *self.dictionaries())
            load_weights(model, weights)
        except (LookupError, AttributeError, TypeError, ValueError, *OF_TORCH) as error:
            raise UserError(
                f"{self.path / WEIGHTS} is not of the model in {DESCRIPTION} "
                f"({first_line(error)}): make the folder again"
            ) from error
        return model.eval().requires_grad_(False)


def moses(side: Side) -> Moses | None:
    """The tokenizer of a language, where it has one."""
    if side.tokenizer == "none":
        return None
    return Moses(side.language, "this model", "one of sentences, without a tokenizer")


def weights_of(model: torch.nn.Module) -> dict[str, Tensor]:
    """Parameters and buffers by name, those that are shared once.

    Whole numbers are left out: fairseq's adaptive softmax counts its versions by one.
    """
    tensors = {**dict(model.named_parameters()), **dict(model.named_buffers())}
    return {
        name: tensor.detach().contiguous()
        for name, tensor in tensors.items()
        if tensor.is_floating_point()
    }


def load_weights(model: torch.nn.Module, weights: dict[str, Tensor]) -> None:
    """Gives a model its weights.

    Raises:
        ValueError: there are others than it has.
    """
    expected = weights_of(model)
    if of_other := [name for name, weight in weights.items() if weight.dtype != torch.float32]:
        raise ValueError(f"{of_other[0]} is not in float32")
    for name in sorted(expected.keys() | weights.keys()):
        if name not in weights or name not in expected:
            raise ValueError(f"{name} is in one of them alone")
    # fairseq's own load_state_dict knows no ``assign``
    torch.nn.Module.load_state_dict(model, weights, strict=False, assign=True)


def write(
    path: Path, description: Description, model: Model, files: dict[str, Path], card: str
) -> None:
    """Makes a folder, whole or not at all.

    Args:
        path: there must be nothing yet.
        description: ``files`` of it are filled in.
        model: whose weights are written.
        files: what to copy, by its name in the folder.
        card: the text of README.md.
    """
    if path.exists():
        raise UserError(f"{path} exists: name another --output, or remove it first")
    temporary = path.with_name(f"{path.name}.part")
    shutil.rmtree(temporary, ignore_errors=True)
    try:
        temporary.mkdir(parents=True)
        save_file(weights_of(model), temporary / WEIGHTS, metadata={"format": "pt"})
        (temporary / WEIGHTS).chmod(temporary.stat().st_mode & 0o666)  # not for us alone
        for name, file in files.items():
            shutil.copyfile(file, temporary / name)
        packed = {
            name: {"bytes": (temporary / name).stat().st_size, "sha256": sha256(temporary / name)}
            for name in (WEIGHTS, *files)
        }
        replace(description, files=packed).write(temporary / DESCRIPTION)
        (temporary / CARD).write_text(card, encoding="utf-8")
        temporary.rename(path)
    except (OSError, safetensors.SafetensorError) as error:
        raise UserError(f"cannot write {path}: {reason_of(error)}") from error
    finally:
        shutil.rmtree(temporary, ignore_errors=True)
