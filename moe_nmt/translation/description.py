"""What a folder's model.json says: how to read its other files, and where they come from."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from moe_nmt.corpus.subwords.pieces import KINDS
from moe_nmt.errors import UserError
from moe_nmt.files.text import write_text
from moe_nmt.translation.kinds import KINDS as MODELS
from moe_nmt.translation.kinds import TRANSLATION, Kind
from moe_nmt.translation.settings import SearchSettings, Settings

FORMAT = 1
TOKENIZERS = ("none", "moses")


@dataclass(frozen=True)
class Side:
    """A language of a model.

    Args:
        language: its code, as in "de".
        pieces: what the dictionary's entries are: subwords "of sentences" or "of tokens", "words".
        tokenizer: what made tokens of raw text: "none" or "moses".
    """

    language: str
    pieces: str
    tokenizer: str = "none"

    def __post_init__(self) -> None:
        for what, value, known in (
            ("pieces", self.pieces, KINDS),
            ("tokenizer", self.tokenizer, TOKENIZERS),
        ):
            if value not in known:
                raise ValueError(f"{what} must be one of {', '.join(known)}, not {value!r}")
        if not isinstance(self.language, str) or not self.language:
            raise ValueError(f"a language must be a code such as en, not {self.language!r}")


@dataclass(frozen=True)
class Description:
    """The contents of model.json.

    Args:
        source: the language read.
        target: the language written; of a language model the same.
        model: the fields of ``GNMTMoEConfig``, or of another kind's configuration.
        search: the settings to translate with.
        training: where the model comes from; for people.
        versions: of the packages that made it; for people.
        files: the other files, by name: their "bytes" and "sha256".
        kind: the name of the model's kind.
    """

    source: Side
    target: Side
    model: dict[str, Any]
    search: Settings = field(default_factory=SearchSettings)
    training: dict[str, Any] = field(default_factory=dict)
    versions: dict[str, str] = field(default_factory=dict)
    files: dict[str, dict[str, Any]] = field(default_factory=dict)
    kind: str = TRANSLATION.name

    @property
    def of_kind(self) -> Kind:
        """The kind of the model."""
        return MODELS[self.kind]

    def __post_init__(self) -> None:
        if not isinstance(self.files, dict):
            raise TypeError(f"files must be named, not {self.files!r}")
        for name, packed in self.files.items():
            if not isinstance(packed, dict) or not packed.keys() >= {"bytes", "sha256"}:
                raise TypeError(f"{name!r} must have its bytes and sha256, not {packed!r}")

    def write(self, path: Path) -> None:
        """Writes the file."""
        values = {"format": FORMAT, **asdict(self), "search": self.search.as_json()}
        write_text(path, json.dumps(values, indent=2, ensure_ascii=False) + "\n")

    @classmethod
    def read(cls, path: Path) -> Description:
        """Reads the file.

        Raises:
            UserError: it is not there, of a newer format, or not as ``write`` writes it.
        """
        try:
            values = json.loads(path.read_text(encoding="utf-8"))
        except (OSError, ValueError, RecursionError) as error:
            raise UserError(
                f"{path.parent} is no model folder, as {path.name} in it cannot be read: "
                "make one with moe-nmt-pack"
            ) from error
        try:
            if (written := values.pop("format")) != FORMAT:
                raise UserError(
                    f"{path} is of format {written!r}, and this moe_nmt reads format {FORMAT}: "
                    "use the version that made it, which the file names"
                )
            source, target = (Side(**values.pop(name)) for name in ("source", "target"))
            kind = values.pop("kind", TRANSLATION.name)  # which folders did not always name
            if kind not in MODELS:
                raise ValueError(f"kind must be one of {', '.join(MODELS)}, not {kind!r}")
            search = MODELS[kind].settings.of_json(values.pop("search"))
            return cls(source, target, search=search, kind=kind, **values)
        except (AttributeError, KeyError, TypeError, ValueError) as error:
            raise UserError(
                f"{path} is not as moe-nmt-pack writes it ({error}): make the folder again"
            ) from error
