"""The corpus: distinct sentences in three languages, dealt to training, valid and test."""

from __future__ import annotations

from dataclasses import dataclass
from random import Random
from typing import NamedTuple

from embedded.english import English
from embedded.entries import Lexicon, load_lexicon
from embedded.french import French
from embedded.french_forms import Conjugator
from embedded.german import German
from embedded.sampler import Sampler
from embedded.tree import Sentence

SHORTEST = 4
LONGEST = 25
# Well within what the grammar can say, so that the search for new sentences ends.
LARGEST = 100_000


class CorpusError(Exception):
    """A corpus that cannot be made."""


class Triple(NamedTuple):
    """One sentence in three languages."""

    en: str
    fr: str
    de: str


@dataclass(frozen=True)
class Translator:
    """The three linearisers over one lexicon."""

    english: English
    french: French
    german: German

    @classmethod
    def of(cls, lexicon: Lexicon) -> Translator:
        """Build the linearisers."""
        numerals = lexicon.numerals
        return cls(
            English({key: entry.en for key, entry in numerals.items()}),
            French(Conjugator(lexicon.french), {key: entry.fr for key, entry in numerals.items()}),
            German({key: entry.de for key, entry in numerals.items()}),
        )

    def __call__(self, sentence: Sentence) -> Triple:
        """Return the sentence in the three languages."""
        return Triple(
            self.english.sentence(sentence),
            self.french.sentence(sentence),
            self.german.sentence(sentence),
        )


def generate(sizes: dict[str, int], seed: int) -> dict[str, list[Triple]]:
    """Return the splits; no sentence occurs twice in any language, in one split or across."""
    lexicon = load_lexicon()
    translate = Translator.of(lexicon)
    sampler = Sampler(lexicon, Random(seed))
    seen: tuple[set[str], ...] = tuple(set() for _ in Triple._fields)
    total = sum(sizes.values())
    if total > LARGEST:
        raise CorpusError(f"the grammar cannot supply {total} good sentences, only {LARGEST}")
    triples: list[Triple] = []
    while len(triples) < total:
        triple = translate(sampler.sentence())
        repeated = any(text in known for text, known in zip(triple, seen, strict=True))
        if not repeated and SHORTEST <= len(triple.en.split()) <= LONGEST:
            for text, known in zip(triple, seen, strict=True):
                known.add(text)
            triples.append(triple)
    splits: dict[str, list[Triple]] = {}
    start = 0
    for name, size in sizes.items():
        splits[name] = triples[start : start + size]
        start += size
    return splits
