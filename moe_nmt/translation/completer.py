"""Goes on with raw text, with one language model or several."""

from __future__ import annotations

import math
import random
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Any

import torch

from moe_nmt.models.language_model import LSTMMoELanguageModel
from moe_nmt.search.continuing import continued
from moe_nmt.translation.completion import Completion, Continuation
from moe_nmt.translation.settings import CompletionSettings
from moe_nmt.translation.text_model import (
    MAX_TOKENS,
    Sentence,
    TextModel,
    batches,
    list_of_strings,
    refuse_below_one,
)


class Completer(TextModel[LSTMMoELanguageModel, CompletionSettings]):
    """Completes prompts; any number of threads may use one."""

    doing = "going on"
    language = "language"
    long = math.inf

    def complete(
        self,
        prompts: Iterable[str],
        *,
        nbest: int = 1,
        max_tokens: int = MAX_TOKENS,
        progress: Callable[[int], object] | None = None,
        first: int = 0,
        **search: Any,
    ) -> list[Completion]:
        """Goes on with raw beginnings of sentences.

        Args:
            prompts: one beginning each; on one that is blank a sentence of its own follows.
            nbest: so many continuations of each; of drawn ones so many are drawn.
            max_tokens: subwords of a batch; what is longer alone is a batch of its own.
            progress: called with the number of prompts done since its last call.
            first: the number of the first prompt, where they are a part of a longer list: what is
                drawn follows from the seed and a prompt's number.
            search: other values for fields of ``CompletionSettings``, such as ``sampling=True``.

        Returns:
            The completions, in the order of the prompts.

        Raises:
            TypeError: ``prompts`` is no list of strings, or ``search`` has no field of that name.
            LimitError: a value is outside its limits.
            UserError: the model computes nan.
        """
        texts = list_of_strings(prompts, "complete")
        refuse_below_one(nbest=nbest, max_tokens=max_tokens)
        settings = self.settings.changed(nbest, search)
        options = settings.options(nbest)
        with self.reading:
            sentences = [Sentence(text, self.languages.source.read(text)) for text in texts]
        dictionary = self.languages.target_dictionary
        found: dict[int, Completion] = {}
        for batch in batches_of_one_length([len(s.pieces) for s in sentences], max_tokens):
            numbers = [self.known(sentences[index].pieces) for index in batch]
            beginnings = torch.tensor(numbers, dtype=torch.long, device=self.device)
            answers = continued(
                self.models,
                dictionary,
                beginnings,
                settings.most(beginnings.size(1)),
                options,
                [seed_of(settings.seed, first + index) for index in batch],
            )
            for index, best in zip(batch, answers, strict=True):
                pieces = sentences[index].pieces
                found[index] = Completion(
                    texts[index], pieces, [self.continuation(one, pieces) for one in best[:nbest]]
                )
            if progress is not None:
                progress(len(batch))
        return [found[index] for index in range(len(texts))]

    def answer(self, texts: Sequence[str], first: int, **options: Any) -> list[Completion]:
        """See ``TextModel``."""
        return self.complete(texts, first=first, **options)

    def continuation(self, found: dict[str, Any], prompt: list[str]) -> Continuation:
        """What the search found, in words; those of the prompt as they were read."""
        dictionary, target = self.languages.target_dictionary, self.languages.target
        pieces = [dictionary[number] for number in found["tokens"][len(prompt) : -1].tolist()]
        return Continuation(target.write([*prompt, *pieces]), float(found["score"]), pieces)


def seed_of(seed: int, number: int) -> int:
    """Of the draws for a prompt, by its number."""
    return random.Random(f"{seed} {number}").getrandbits(63)


def batches_of_one_length(lengths: Sequence[int], max_tokens: int) -> Iterator[list[int]]:
    """The numbers of prompts, the longest first, in batches of equal lengths.

    fairseq's search limits lengths for a batch at once; so a completion depends on no other.

    Args:
        lengths: in subwords.
        max_tokens: of a batch, of the prompts and a token before each.
    """
    members: dict[int, list[int]] = {}
    for index, length in enumerate(lengths):
        members.setdefault(length, []).append(index)
    for length, indices in sorted(members.items(), reverse=True):
        for batch in batches([length + 1] * len(indices), max_tokens):
            yield [indices[place] for place in batch]
