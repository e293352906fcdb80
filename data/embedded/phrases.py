"""Sampling of noun phrases, places and persons."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from random import Random
from typing import TypeVar

from embedded.entries import Adjective, Lexicon, Noun
from embedded.tree import Name, NounPhrase, Phrase, Place, Pronoun

Item = TypeVar("Item")
_GENERIC = {"game", "language"}
_EXCLUDED = {"inside": {"outdoors"}, "far": {"outdoors", "room"}}
_PLACE_KINDS = {"home": ("home",), "outside": ("outdoors",)}


class Phrases:
    """Draws phrases that make sense: the kinds of a noun limit what goes with it."""

    def __init__(self, lexicon: Lexicon, rng: Random) -> None:
        """Keep the lexicon and the source of randomness."""
        self.lexicon = lexicon
        self.rng = rng

    def chance(self, probability: float) -> bool:
        """Return true with this probability."""
        return self.rng.random() < probability

    def pick(self, items: Sequence[Item]) -> Item:
        """Return one item, all equally likely."""
        return items[int(self.rng.random() * len(items))]

    def weighted(self, choices: dict[str, float]) -> str:
        """Return a key, as likely as its weight."""
        return self.rng.choices(list(choices), list(choices.values()))[0]

    def noun(self, kinds: Collection[str]) -> Noun:
        """Return a noun of one of these kinds."""
        return self.pick([noun for noun in self.lexicon.nouns if not noun.kinds.isdisjoint(kinds)])

    def name(self) -> Name:
        """Return a person's name."""
        text, gender = self.pick(self.lexicon.names)
        return Name(text, "f" if gender == "f" else "m")

    def pronoun(self) -> Pronoun:
        """Return a personal pronoun without antecedent."""
        return self.pick(
            [
                Pronoun(1),
                Pronoun(1, plural=True),
                Pronoun(gender="m"),
                Pronoun(gender="f"),
                Pronoun(plural=True),
            ]
        )

    def subject(
        self, kinds: Collection[str], definite: bool = False, pronouns: bool = True
    ) -> Phrase:
        """Return a subject: people also have names and pronouns."""
        if "human" in kinds and (draw := self.rng.random()) < 0.36:
            if draw < 0.2:
                return self.name()
            if pronouns:
                return self.pronoun()
        noun = self.noun(kinds)
        plural = noun.countable and self.chance(0.25)
        choices = {"the": 6.0, "this": 1.0}
        if "kin" in noun.kinds:
            choices |= {"the": 0.5, "this": 0.0, "my": 4.0, "our": 3.0}
        elif "animal" in noun.kinds:
            choices |= {"my": 2.0, "our": 1.5}
        if not definite and plural and "plant" not in noun.kinds:
            choices |= dict.fromkeys(self.lexicon.numerals, 0.3)
        if not definite and not plural and "kin" not in noun.kinds:
            choices |= {"a": 1.0, "every": 0.4}
        return self.described(noun, self.weighted(choices), plural, adjectives=0.22)

    def object(self, kinds: Collection[str], subject: Phrase, negated: bool = False) -> Phrase:
        """Return an object; its possessive may refer to the subject."""
        if "human" in kinds and (draw := self.rng.random()) < 0.3:
            pronoun = self.pronoun()
            if draw < 0.15 or pronoun.person == 1 or _third(subject):
                return self.name_besides(subject)
            return pronoun
        noun = self.noun(kinds)
        if noun.kinds & _GENERIC:
            return NounPhrase(noun, "generic")
        if noun.owner:
            plural = "character" in noun.kinds and self.chance(0.3)
            owner = NounPhrase(self.noun([noun.owner]))
            return NounPhrase(
                noun, "the" if plural or self.chance(0.5) else "a", plural, owner=owner
            )
        if "body" in noun.kinds:
            side = self.adjective(noun, chance=0.8)
            return NounPhrase(noun, adjectives=side, owner=self.owner())
        if not noun.countable:
            word = "bare" if negated or self.chance(0.7) else "the"
            return self.described(noun, word, False, adjectives=0.3)
        plural = self.chance(0.3) and not noun.at
        choices = {"the": 5.0, "this": 1.2, "my": 0.7, "our": 0.5}
        possessive = _possessive(subject)
        if possessive and "human" not in noun.kinds:
            choices[possessive] = choices.get(possessive, 0.0) + 1.8
        kin = "kin" in noun.kinds
        if kin:
            choices |= {"the": 0.5, "this": 0.0, "my": 3.0, "our": 2.5}
        elif "human" in noun.kinds:
            choices |= {"my": 0.0, "our": 0.0}
        if kin:
            choices |= {possessive: 3.0} if possessive else {}
        elif plural:
            choices["bare"] = 2.0
            if not negated:
                choices |= dict.fromkeys(self.lexicon.numerals, 0.5)
        elif not negated:
            choices["a"] = 4.0
        elif noun.kinds.isdisjoint({"human", "place"}):
            choices["a"] = 2.0
        word = self.weighted(choices)
        if (
            word == "the"
            and not plural
            and noun.kinds & {"clothes", "vehicle", "lie"}
            and self.chance(0.2)
        ):
            return NounPhrase(noun, owner=self.owner(), adjectives=self.adjective(noun, 0.25))
        return self.described(noun, word, plural, adjectives=0.3)

    def described(self, noun: Noun, word: str, plural: bool, adjectives: float) -> NounPhrase:
        """Return a phrase with adjectives this often; some only go with a possessive."""
        owned = word in ("my", "our", "his", "her", "their")
        return NounPhrase(noun, word, plural, self.adjective(noun, adjectives, owned))

    def adjective(self, noun: Noun, chance: float, owned: bool = False) -> tuple[Adjective, ...]:
        """Return no, one or (a quality and a colour) two adjectives."""
        if not self.chance(chance):
            return ()
        fitting = [
            each
            for each in self.lexicon.adjectives
            if not noun.kinds.isdisjoint(each.of)
            and not each.predicate
            and (owned or not each.owned)
        ]
        if not fitting:
            return ()
        first = self.rng.choices(fitting, [each.weight for each in fitting])[0]
        colours = [each for each in fitting if each.colour]
        if first.before and not first.attribute and colours and self.chance(0.35):
            return first, self.pick(colours)
        return (first,)

    def owner(self) -> Name | NounPhrase:
        """Return a person as an owner."""
        if self.chance(0.4):
            return self.name()
        noun = self.noun(["human"])
        word = self.pick(["my", "our"]) if "kin" in noun.kinds else "the"
        return NounPhrase(noun, word)

    def name_besides(self, phrase: Phrase) -> Name:
        """Return a name other than the one given."""
        while (name := self.name()) == phrase:
            pass
        return name

    def place(self, at: str, motion: bool = False) -> Place:
        """Return a place of a kind: inside, outside, home, near something, or both."""
        if not motion and at in ("both", "outside") and self.chance(0.4):
            return self.near(["anchor", "under"], motion=False)
        if at == "outside" and self.chance(0.6):
            return Place(self._bank())
        kinds = _PLACE_KINDS.get(at, ("place",))
        noun = self.noun(kinds)
        while noun.kinds & _EXCLUDED.get(at, set()):
            noun = self.noun(kinds)
        small = {"a": 1.0} if noun.at[2] == "in" and at == "home" else {}
        if noun.at[1] == "à":  # "au marché", but hardly "à ce grand marché"
            return Place(NounPhrase(noun), motion=motion)
        word = self.weighted({"the": 8.0, "this": 0.8, **small})
        return Place(self.described(noun, word, False, adjectives=0.25), motion=motion)

    def _bank(self) -> NounPhrase:
        return NounPhrase(self.noun(["river_bank"]), owner=NounPhrase(self.noun(["stream"])))

    def near(self, kinds: Collection[str], motion: bool) -> Place:
        """Return a place by a two-way preposition."""
        fitting = [
            each for each in self.lexicon.prepositions if not set(each.kinds).isdisjoint(kinds)
        ]
        preposition = self.pick(fitting)
        noun = self.noun(set(preposition.kinds) & set(kinds))
        word = self.weighted({"the": 7.0, "this": 0.7, "a": 1.0})
        return Place(self.described(noun, word, False, adjectives=0.15), preposition, motion)


def _third(phrase: Phrase) -> bool:
    """Whether "him" or "her" could be taken for this subject."""
    return isinstance(phrase, Pronoun) and phrase.person == 3


def _possessive(phrase: Phrase) -> str:
    """Return the possessive that refers to this subject, or "" for an animal's."""
    if isinstance(phrase, Pronoun) and phrase.person == 1:
        return "our" if phrase.plural else "my"
    if isinstance(phrase, NounPhrase):
        if "human" not in phrase.noun.kinds or phrase.determiner == "every":
            return ""
        if phrase.plural:
            return "their"
        return {"m": "his", "f": "her"}.get(phrase.noun.sex, "")
    if isinstance(phrase, Pronoun) and phrase.plural:
        return "their"
    return "her" if phrase.gender == "f" else "his"
