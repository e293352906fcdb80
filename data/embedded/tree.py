"""The abstract syntax: sentences as trees that belong to no language.

A tree holds lexical entries and features (number, tense, negation); the linearisers of
`english.py`, `french.py` and `german.py` each turn the same tree into a sentence.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Literal

from embedded.entries import Adjective, Adverb, Conjunction, Modal, Noun, Preposition, Time, Verb

Gender = Literal["m", "f"]
Tense = Literal["present", "past", "future"]
# What a relative clause or a question leaves out of its clause.
Gap = Literal["subject", "object"]
# "bare" is the English noun without an article: a mass, an indefinite plural, a game.
Determiner = str
QuestionWord = Literal["who", "whom", "what", "why", "when", "where"]


@dataclass(frozen=True)
class Name:
    """A person's name, the same in all three languages."""

    text: str
    gender: Gender


@dataclass(frozen=True)
class Pronoun:
    """A personal pronoun; with an antecedent, each language takes the gender of its noun."""

    person: Literal[1, 3] = 3
    plural: bool = False
    gender: Gender = "m"
    antecedent: Noun | None = None


@dataclass(frozen=True)
class NounPhrase:
    """A noun with its determiner, adjectives and relative clause; an owner is its determiner."""

    noun: Noun
    determiner: Determiner = "the"
    plural: bool = False
    adjectives: tuple[Adjective, ...] = ()
    owner: Name | NounPhrase | None = None
    relative: Relative | None = None

    def head(self) -> NounPhrase:
        """Return the phrase without its relative clause, as that clause refers to it."""
        return replace(self, relative=None)


Phrase = Name | Pronoun | NounPhrase


@dataclass(frozen=True)
class Relative:
    """A relative clause; the gap is the part of the clause that the noun fills."""

    gap: Gap
    clause: Clause


@dataclass(frozen=True)
class Quality:
    """What "to be" says of its subject: an adjective, perhaps compared with somebody."""

    adjective: Adjective
    than: Phrase | None = None


@dataclass(frozen=True)
class Place:
    """A place or a direction; without a preposition, the noun brings its own."""

    phrase: NounPhrase
    preposition: Preposition | None = None
    motion: bool = False


@dataclass(frozen=True)
class Clause:
    """A verb with its arguments and adjuncts.

    A habitual clause takes the simple present in English, another the progressive. A passive
    clause keeps the agent as its subject; the linearisers turn it round.
    """

    subject: Phrase
    verb: Verb
    tense: Tense = "present"
    negated: bool = False
    habitual: bool = False
    passive: bool = False
    modal: Modal | None = None
    object: Phrase | None = None
    recipient: Phrase | None = None
    quality: Quality | None = None
    place: Place | None = None
    manner: Adverb | None = None
    frequency: Adverb | None = None
    time: Time | None = None
    time_first: bool = False
    infinitive: Clause | None = None
    purpose: Clause | None = None
    conjunction: Conjunction | None = None
    content: Clause | None = None


@dataclass(frozen=True)
class Sentence:
    """A main clause, perhaps asked, perhaps joined with a second clause."""

    clause: Clause
    question: bool = False
    word: QuestionWord | None = None
    conjunction: Conjunction | None = None
    other: Clause | None = None
    other_first: bool = False
