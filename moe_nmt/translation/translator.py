"""Translates raw text with one model or several."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from typing import Any

import torch
from torch import Tensor
from torch.nn.utils.rnn import pad_sequence

from moe_nmt.models.gnmt_moe import GNMTMoEModel
from moe_nmt.search import Generator
from moe_nmt.translation.long_lines import split
from moe_nmt.translation.settings import SearchSettings
from moe_nmt.translation.text_model import (
    MAX_TOKENS,
    Sentence,
    TextModel,
    batches,
    list_of_strings,
    refuse_below_one,
)
from moe_nmt.translation.translation import (
    Hypothesis,
    Translation,
    blank,
    joined,
    word_alignment,
)


class Translator(TextModel[GNMTMoEModel, SearchSettings]):
    """Translates; any number of threads may use one."""

    doing = "translating"
    language = "source language"
    long = 10_000  # as its time grows with their square

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
        texts = list_of_strings(texts, "translate")
        refuse_below_one(nbest=nbest, max_tokens=max_tokens, split_longer_than=split_longer_than)
        settings = self.settings.changed(nbest, search)
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

    def answer(self, texts: Sequence[str], first: int, **options: Any) -> list[Translation]:
        """See ``TextModel``."""
        return self.translate(texts, **options)

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
        return torch.tensor([*self.known(pieces), self.languages.source_dictionary.eos()])

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
