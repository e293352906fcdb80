"""What the stages of a preparation share: settings, the output folder's names, counts."""

from __future__ import annotations

import sys
import unicodedata
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path
from typing import Any

from moe_nmt.corpus.cleaning.held_out import Sides
from moe_nmt.corpus.cleaning.languages import Languages
from moe_nmt.corpus.preparation.reuse import Reused
from moe_nmt.corpus.sources.own_text import OwnText
from moe_nmt.corpus.sources.registry import Corpus
from moe_nmt.corpus.subwords.moses import Moses
from moe_nmt.files.stages import Facts, Stage, Stages

LOST = "lines were lost; is the disk full?"
CLEAN, BINARISED, HELD_OUT = "clean.", "binarised.", "held-out."  # begin the stages' names
SUBWORD_TOOLS = {
    "sentencepiece": "sentencepiece",
    "bpe": "subword-nmt",
    "moses-bpe": "subword-nmt",
}
WHOLE_WORDS = "words"  # the method that takes text apart at its spaces alone

Text = Corpus | OwnText


@dataclass(frozen=True)
class Settings:
    """What ``moe-nmt-prepare`` is asked for; the defaults are the command's."""

    languages: tuple[str, ...]  # of source and target; of text for a language model, one
    train: Sequence[Text]
    held_out: Mapping[str, Sequence[Text]]  # valid, test, test1, ...
    folder: Path
    archives: Path
    workers: int
    max_words: int
    max_characters: int
    max_ratio: float
    identify_languages: bool
    method: str
    vocabulary: int | None  # None: by the size of the text
    reused: Reused | None
    symbols: Sequence[str]  # the user's own subwords
    sample: int
    coverage: float
    seed: int
    command: str  # that asked for all this

    @property
    def is_parallel(self) -> bool:
        """Whether texts have two sides."""
        return len(self.languages) == 2

    @property
    def unit(self) -> str:
        """What texts are made of."""
        return "pairs" if self.is_parallel else "lines"


class Preparation:
    """The output folder of some settings, and what its stages have counted so far."""

    def __init__(self, settings: Settings, stages: Stages) -> None:
        self.settings, self.stages = settings, stages
        self.folder = settings.folder
        self.facts: dict[str, Facts] = {}
        self.warnings: list[str] = []
        self.vocabulary = settings.vocabulary  # subwords, as soon as that is decided
        self.languages = Languages(settings.languages) if settings.identify_languages else None
        self.moses: list[Moses] = []  # for each language, where subwords are of their tokens
        if settings.method == "moses-bpe":
            self.moses = [
                Moses(language, "--subword moses-bpe", "--subword bpe")
                for language in settings.languages
            ]
        self.words = "tokens" if self.moses else "text"  # the folder of what subwords are made of
        self.has_subwords = settings.method != WHOLE_WORDS
        self.pieces = "pieces" if self.has_subwords else "text"  # that of what dictionaries count

    def stage(
        self,
        name: str,
        recipe: Mapping[str, Any],
        inputs: Mapping[str, Path],
        outputs: Sequence[str],
        action: Callable[[], Facts | None],
    ) -> None:
        """Runs a stage and remembers what it counted."""
        stage = Stage(name, recipe, inputs, [Path(output) for output in outputs])
        self.facts[name] = self.stages.run(stage, action)

    def warn(self, sentences: Iterable[str]) -> None:
        """Tells the user now, and in the report."""
        for sentence in sentences:
            print(f"moe_nmt: warning: {sentence}", file=sys.stderr, flush=True)
            self.warnings.append(sentence)

    def names(self, pattern: str) -> tuple[str, ...]:
        """The names of all sides' files, {} filled in with the language."""
        return tuple(pattern.format(language) for language in self.settings.languages)

    def dictionaries(self) -> tuple[str, ...]:
        """The names of all sides' dictionaries, where fairseq looks for them."""
        if self.settings.is_parallel:
            return self.names("binarised/dict.{}.txt")
        return ("binarised/dict.txt",)

    def binarised(self, split: str) -> tuple[str, ...]:
        """What the names of all sides of a split begin with, likewise."""
        if self.settings.is_parallel:
            return self.names(f"binarised/{split}.{'-'.join(self.settings.languages)}.{{}}")
        return (f"binarised/{split}",)

    def files(self, *names: str) -> dict[str, Path]:
        """Files of the output folder."""
        return {name: self.folder / name for name in names}

    def paths(self, pattern: str) -> Sides:
        """All sides' files, {} filled in with the language."""
        return tuple(self.folder / name for name in self.names(pattern))


def tools(*packages: str) -> dict[str, str]:
    """The versions of what a stage's outputs depend on."""
    return {
        "unicode": unicodedata.unidata_version,
        **{package: version(package) for package in ("moe_nmt", *packages)},
    }
