"""What models share that read raw text and write raw text."""

from __future__ import annotations

import threading
from abc import ABC, abstractmethod
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar, Generic, NamedTuple, TypeVar

from fairseq.data import Dictionary

from moe_nmt.errors import LimitError
from moe_nmt.models.gnmt_moe import GNMTMoEModel
from moe_nmt.models.language_model import LSTMMoELanguageModel
from moe_nmt.translation.answer import Answer
from moe_nmt.translation.settings import Settings
from moe_nmt.translation.text import SourceText, TargetText

Model = GNMTMoEModel | LSTMMoELanguageModel
OneModel = TypeVar("OneModel", bound=Model)
OwnSettings = TypeVar("OwnSettings", bound=Settings)

MAX_TOKENS = 2000  # of a batch: source subwords, padding included
MOST_SENTENCES = 128  # of a batch: each of its hypotheses has a distribution over all words


@dataclass(frozen=True)
class Languages:
    """Both ends of a model: their codes, text and dictionaries."""

    names: tuple[str, str]
    source: SourceText
    target: TargetText
    source_dictionary: Dictionary
    target_dictionary: Dictionary


class Sentence(NamedTuple):
    """What is read at a time."""

    text: str
    pieces: list[str]


class TextModel(ABC, Generic[OneModel, OwnSettings]):
    """Any number of threads may use one.

    Args:
        models: in evaluation mode, all with these dictionaries; several are an ensemble.
        languages: of their text.
        settings: of the search, where a call says nothing else.
    """

    doing: ClassVar[str]  # for a bar of progress
    language: ClassVar[str]  # what a text is in, for a warning
    long: ClassVar[float]  # characters of a line whose search takes long

    def __init__(
        self, models: Sequence[OneModel], languages: Languages, settings: OwnSettings
    ) -> None:
        self.models = list(models)
        self.languages = languages
        self.settings = settings
        self.device = next(self.models[0].parameters()).device
        self.reading = threading.Lock()  # of subword-nmt's cache, say

    @abstractmethod
    def answer(self, texts: Sequence[str], first: int, **options: Any) -> Sequence[Answer]:
        """One answer for each text.

        Args:
            texts: a part of a longer list.
            first: how many are before it.
            options: of the method that users call.
        """

    def known(self, pieces: Sequence[str]) -> list[int]:
        """The numbers of what is read; what the model does not know is an unknown word."""
        dictionary = self.languages.source_dictionary
        found = [dictionary.index(piece) for piece in pieces]
        # A word of the text that looks like the end of a sentence is none.
        return [n if n >= dictionary.nspecial else dictionary.unk() for n in found]

    def unknown(self, answer: Answer) -> int:
        """How many pieces that were read the model does not know."""
        return self.known(answer.source_pieces).count(self.languages.source_dictionary.unk())


def refuse_below_one(**counts: int | None) -> None:
    """Stops at a count that is less; None is no count."""
    for name, value in counts.items():
        if value is not None and value < 1:
            raise LimitError(name, f"must be at least 1, not {value}")


def list_of_strings(texts: Iterable[str], method: str) -> list[str]:
    """All of them; a string alone would be taken for its letters."""
    if isinstance(texts, str):
        raise TypeError(f"texts must be a list of sentences: for one, write {method}([text])[0]")
    texts = list(texts)
    for text in texts:
        if not isinstance(text, str):
            raise TypeError(f"texts must be strings, not {type(text).__name__}: {text!r:.40}")
        if has_surrogates(text):
            raise ValueError(f"texts must be of whole characters: {text!r:.40} has half of one")
    return texts


def has_surrogates(text: str) -> bool:
    """Whether a string holds halves of characters, which no encoding takes."""
    return any("\ud800" <= character <= "\udfff" for character in text)


def batches(lengths: Sequence[int], max_tokens: int) -> Iterator[list[int]]:
    """The numbers of sentences, the longest first, in batches of about equal lengths.

    Args:
        lengths: in subwords; sentences of none are left out.
        max_tokens: of a batch, padding and ends of sentence included.
    """
    batch: list[int] = []
    for index in sorted(range(len(lengths)), key=lambda index: -lengths[index]):
        if not lengths[index]:
            break
        is_full = batch and (len(batch) + 1) * (lengths[batch[0]] + 1) > max_tokens
        if is_full or len(batch) == MOST_SENTENCES:
            yield batch
            batch = []
        batch.append(index)
    if batch:
        yield batch
