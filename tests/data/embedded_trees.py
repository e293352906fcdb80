"""Short ways to build trees of the embedded corpus by hand."""

from __future__ import annotations

from embedded.entries import Adjective, Noun, Time, Verb, load_lexicon
from embedded.tree import (
    Clause,
    Name,
    NounPhrase,
    Place,
    Pronoun,
    Sentence,
)

LEXICON = load_lexicon()


def noun(en: str, de: str = "") -> Noun:
    """Return a noun by its English word, and its German one where that is ambiguous."""
    return next(each for each in LEXICON.nouns if each.en == en and de in ("", each.de))


def verb(en: str, de: str) -> Verb:
    """Return a verb by its English base and a word of its German forms."""
    return next(
        each
        for each in LEXICON.verbs
        if each.en[0] == en and de in [*each.de.split(), each.de_tail]
    )


def adjective(en: str, de: str = "") -> Adjective:
    """Return an adjective by its English word, and its German one where that is ambiguous."""
    return next(each for each in LEXICON.adjectives if each.en == en and de in ("", each.de))


def time(en: str) -> Time:
    """Return an adjunct of time."""
    return next(each for each in LEXICON.times if each.en == en)


def the(en: str, *adjectives: Adjective, word: str = "the", plural: bool = False) -> NounPhrase:
    """Return a noun phrase."""
    return NounPhrase(noun(en), word, plural, adjectives)


def at(en: str, preposition: str = "", motion: bool = False) -> Place:
    """Return a place, by its own preposition or by a two-way one."""
    chosen = next((each for each in LEXICON.prepositions if each.en == preposition), None)
    return Place(the(en), chosen, motion)


BE = verb("be", "sein")
READ, BUY, SEE = verb("read", "lesen"), verb("buy", "kaufen"), verb("see", "sehen")
HELP, CALL = verb("help", "helfen"), verb("call", "an|rufen")
CAN, MUST, WANT = LEXICON.modals
JOIN = LEXICON.conjunctions
ANNA, PAUL = Name("Anna", "f"), Name("Paul", "m")
HE, SHE, THEY = Pronoun(), Pronoun(gender="f"), Pronoun(plural=True)
BOOK, LAMP = the("book"), the("lamp")
NEVER = next(each for each in LEXICON.frequency if each.en == "never")
WELL = next(each for each in LEXICON.manner if each.en == "well")
TEACHER, BOY, WOMAN = the("teacher"), the("boy"), the("woman")
EAT, DRINK = verb("eat", "essen"), verb("drink", "trinken")
LEAVE_FOR_GOOD, DEPART = verb("leave", "verlassen"), verb("leave", "ab|fahren")
PLAY_MUSIC, PLAY_GAME = (each for each in LEXICON.verbs if each.en[0] == "play")


def because(main: Clause, other: Clause) -> Sentence:
    return Sentence(main, conjunction=JOIN["because"], other=other)
