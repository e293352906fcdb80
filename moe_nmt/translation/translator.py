"""Translates raw text with one model or several."""

from __future__ import annotations

import threading
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any, NamedTuple

import torch
from fairseq.data import Dictionary
from torch import Tensor
from torch.nn.utils.rnn import pad_sequence

from moe_nmt.errors import LimitError
from moe_nmt.models.gnmt_moe import GNMTMoEModel
from moe_nmt.search import Generator
from moe_nmt.translation.long_lines import split
from moe_nmt.translation.settings import SearchSettings
from moe_nmt.translation.text import SourceText, TargetText
from moe_nmt.translation.translation import (
    Hypothesis,
    Translation,
    blank,
    joined,
    word_alignment,
)

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


class Translator:
    """Translates; any number of threads may use one.

    Args:
        models: in evaluation mode, all with these dictionaries; several are an ensemble.
        languages: of their text.
        settings: of the search, where a call says nothing else.
    """

    def __init__(
        self, models: Sequence[GNMTMoEModel], languages: Languages, settings: SearchSettings
    ) -> None:
        self.models = list(models)
        self.languages = languages
        self.settings = settings
        self.device = next(self.models[0].parameters()).device
        self.reading = threading.Lock()  # of subword-nmt's cache, say

    def translate(
        self,
        texts: Iterable[str],
        *,
        nbest: int = 1,
        split_longer_than: int | None = None,
        max_tokens: int = MAX_TOKENS,
        progress: Callable[[int], object] | None = None,
        **search: Any,
    ) -> list[Translation]:
        """Translates raw sentences.

        Args:
            texts: one sentence each; one that is blank has a blank translation.
            nbest: so many translations of each, where the search finds them.
            split_longer_than: cut texts of more subwords where sentences end; None: never.
            max_tokens: source subwords of a batch; what is longer alone is a batch of its own.
            progress: called with the number of texts done since its last call.
            search: other values for fields of ``SearchSettings``, such as ``beam=1``.

        Returns:
            The translations, in the order of the texts.

        Raises:
            TypeError: ``texts`` is no list of strings, or ``search`` has no field of that name.
            LimitError: a value is outside its limits.
            UserError: the model computes nan.
        """
        texts = list_of_strings(texts)
        counts = {
            "nbest": nbest,
            "max_tokens": max_tokens,
            "split_longer_than": 1 if split_longer_than is None else split_longer_than,
        }
        for name, value in counts.items():
            if value < 1:
                raise LimitError(name, f"must be at least 1, not {value}")
        settings = replace(self.settings, **search)
        if "beam" not in search and nbest > settings.beam:
            settings = replace(settings, beam=nbest)
        generator = Generator(
            self.models,
            self.languages.target_dictionary,
            settings.options(nbest),
            settings.limit(),
        )
        with self.reading:
            parts = [self.parts(text, split_longer_than) for text in texts]
        sentences = [sentence for line in parts for sentence in line]
        owners = [number for number, line in enumerate(parts) for _ in line]
        missing = Counter(n for n, part in zip(owners, sentences, strict=True) if part.pieces)
        if progress is not None:
            progress(len(texts) - len(missing))
        found = [blank(sentence.text) for sentence in sentences]
        for batch in batches([len(sentence.pieces) for sentence in sentences], max_tokens):
            translations = self.search(generator, [sentences[index] for index in batch])
            for index, translation in zip(batch, translations, strict=True):
                found[index] = translation
            missing.subtract(owners[index] for index in batch)
            if progress is not None:
                progress(sum(not missing[number] for number in {owners[i] for i in batch}))
        rest = iter(found)
        return [
            joined(text, [next(rest) for _ in line])
            for text, line in zip(texts, parts, strict=True)
        ]

    def parts(self, text: str, most: int | None) -> list[Sentence]:
        """The sentences that a text is translated in; the text itself where it is not cut."""
        read = self.languages.source.read
        whole = Sentence(text, read(text))
        if most is None or len(whole.pieces) <= most:
            return [whole]
        cut = split(text, lambda part: len(read(part)), most)
        return [Sentence(part, read(part)) for part in cut]

    def numbers(self, pieces: Sequence[str]) -> Tensor:
        """What a model reads: [pieces + 1] int64, the end of sentence last."""
        dictionary = self.languages.source_dictionary
        found = [dictionary.index(piece) for piece in pieces]
        # A word of the text that looks like the end of a sentence is none.
        known = [n if n >= dictionary.nspecial else dictionary.unk() for n in found]
        return torch.tensor([*known, dictionary.eos()])

    def unknown(self, translation: Translation) -> int:
        """How many of a translation's source pieces the model does not know."""
        dictionary = self.languages.source_dictionary
        return sum(dictionary.index(p) < dictionary.nspecial for p in translation.source_pieces)

    def search(self, generator: Generator, sentences: Sequence[Sentence]) -> list[Translation]:
        """Translates a batch of sentences, none of them blank."""
        numbers = [self.numbers(sentence.pieces) for sentence in sentences]
        pad = self.languages.source_dictionary.pad()
        source = pad_sequence(numbers, batch_first=True, padding_value=pad).to(self.device)
        found = generator.generate(self.models, {"net_input": {"src_tokens": source}})
        return [
            Translation(
                sentence.text,
                self.languages.source.pieces.words(sentence.pieces),
                sentence.pieces,
                [self.hypothesis(one, sentence.pieces) for one in best],
            )
            for sentence, best in zip(sentences, found, strict=True)
        ]

    def hypothesis(self, found: dict[str, Any], source_pieces: list[str]) -> Hypothesis:
        """What the search found, in words; an unknown one is the source's that it attends to."""
        dictionary, target = self.languages.target_dictionary, self.languages.target
        attention = found["attention"].t().float().cpu()  # [pieces + 1, source pieces + 1]
        pieces = []
        for number, row in zip(found["tokens"][:-1].tolist(), attention, strict=False):
            is_unknown = number == dictionary.unk()
            pieces.append(
                source_pieces[int(row[:-1].argmax())] if is_unknown else dictionary[number]
            )
        return Hypothesis(
            target.write(pieces),
            float(found["score"]),
            target.pieces.words(pieces),
            pieces,
            attention,
            word_alignment(
                attention, self.languages.source.pieces, source_pieces, target.pieces, pieces
            ),
        )


def list_of_strings(texts: Iterable[str]) -> list[str]:
    """All of them; a string alone would be taken for its letters."""
    if isinstance(texts, str):
        raise TypeError("texts must be a list of sentences: for one, write translate([text])[0]")
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
