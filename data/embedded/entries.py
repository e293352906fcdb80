"""The lexicon: entries of the three languages, read from `lexicon/*.yaml`."""

from __future__ import annotations

from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any

import yaml

_FOLDER = Path(__file__).parent / "lexicon"


@dataclass(frozen=True)
class Noun:
    """A noun; its kinds say what it can be the subject or the object of."""

    kinds: frozenset[str]
    en: str
    en_plural: str
    fr: str
    fr_plural: str
    fr_gender: str
    de: str
    de_plural: str
    de_gender: str
    sex: str
    weak: bool = False
    fr_only_plural: bool = False
    owner: str = ""
    at: tuple[str, ...] = ()

    @property
    def countable(self) -> bool:
        """Whether the noun has a plural, which a mass, a game or a language has not."""
        return bool(self.de_plural)


@dataclass(frozen=True)
class Adjective:
    """An adjective and the kinds of nouns it goes with."""

    en: str
    de: str
    of: tuple[str, ...]
    de_plain: str
    fr: tuple[str, ...] = ()
    fr_vowel: str = ""
    fr_plural: str = ""
    before: bool = False
    fixed: bool = False
    idiom: str = ""
    more: tuple[str, ...] = ()
    colour: bool = False
    attribute: bool = False
    predicate: bool = False
    owned: bool = False
    state: bool = False
    weight: int = 1


@dataclass(frozen=True)
class Verb:
    """A verb and the kinds of its subject and its object."""

    frame: str
    en: tuple[str, ...]
    fr: str
    de: str
    subject: tuple[str, ...]
    object: tuple[str, ...] = ()
    particle: str = ""
    en_object: str = ""
    fr_object: str = ""
    fr_tail: str = ""
    fr_tonic: bool = False
    fr_inverted: bool = False
    de_object: str = "acc"
    de_aux: str = "haben"
    de_past: str = ""
    de_first: str = ""
    de_tail: str = ""
    de_inverted: bool = False
    stative: bool = False
    instant: bool = False
    weight: int = 1
    passive: bool = False
    at: str = ""
    manner: tuple[str, ...] = ()
    conjunctions: tuple[str, ...] = ()

    @property
    def plain(self) -> bool:
        """Whether the object is a direct one in English and French and a case in German."""
        prepositions = self.en_object + self.fr_object
        inverted = self.fr_inverted or self.de_inverted
        return not prepositions and " " not in self.de_object and not inverted


@dataclass(frozen=True)
class FrenchForms:
    """The forms of an irregular French verb: je, il, nous, ils; participle; future stem."""

    present: tuple[str, ...]
    participle: str
    future: str
    aux: str = "avoir"


@dataclass(frozen=True)
class Preposition:
    """A two-way preposition and the kinds of nouns it stands with."""

    en: str
    fr: str
    de: str
    kinds: tuple[str, ...]


@dataclass(frozen=True)
class Modal:
    """A modal verb; German may use another one under a negation."""

    en: str
    en_past: str
    fr: str
    de: str
    de_negated: str = ""


@dataclass(frozen=True)
class Adverb:
    """An adverb of manner or frequency."""

    en: str
    fr: str
    de: str
    negative: bool = False
    fr_before_participle: bool = False


@dataclass(frozen=True)
class Time:
    """An adjunct of time and the tense it asks for: past, habit, now or future."""

    en: str
    fr: str
    de: str
    tense: str


@dataclass(frozen=True)
class Conjunction:
    """A conjunction, an interrogative adverb or a numeral: a word that never changes."""

    en: str
    fr: str
    de: str


@dataclass(frozen=True)
class Lexicon:
    """All entries, in the order of the files, so that sampling is reproducible."""

    nouns: tuple[Noun, ...]
    adjectives: tuple[Adjective, ...]
    verbs: tuple[Verb, ...]
    prepositions: tuple[Preposition, ...]
    modals: tuple[Modal, ...]
    frequency: tuple[Adverb, ...]
    manner: tuple[Adverb, ...]
    times: tuple[Time, ...]
    names: tuple[tuple[str, str], ...]
    conjunctions: dict[str, Conjunction]
    numerals: dict[str, Conjunction]
    french: dict[str, FrenchForms]

    def __len__(self) -> int:
        """Return the number of lexical entries; the table of French forms holds none."""
        return sum(
            len(getattr(self, field.name)) for field in fields(self) if field.name != "french"
        )


def _load(name: str) -> Any:
    return yaml.safe_load((_FOLDER / f"{name}.yaml").read_text(encoding="utf-8"))


def _entry(kind: Any, values: dict[str, Any]) -> Any:
    """Build a dataclass from an entry, with lists as tuples so that it stays immutable."""
    frozen = {
        key: tuple(value) if isinstance(value, list) else value for key, value in values.items()
    }
    return kind(**frozen)


def _noun(kind: str, entry: dict[str, Any]) -> Noun:
    values = dict(entry)
    gender, values["fr"] = values["fr"].split(" ", 1)
    values["fr_gender"] = gender
    values.setdefault("sex", gender)
    values["de_gender"], values["de"], *plural = values["de"].split()
    values["de_plural"] = plural[0] if plural else ""
    values["en_plural"] = values.get("en_plural", f"{values['en']}s")
    if values["en_plural"].endswith("ys") and values["en_plural"][-3] not in "aeiou":
        values["en_plural"] = values["en_plural"][:-2] + "ies"
    for ending in ("ch", "sh", "ss", "x"):
        if values["en"].endswith(ending) and "en_plural" not in entry:
            values["en_plural"] = f"{values['en']}es"
    values.setdefault("fr_plural", f"{values['fr']}s")
    values["kinds"] = frozenset([kind, *values.pop("also", [])])
    noun: Noun = _entry(Noun, values)
    return noun


def _adjective(entry: dict[str, Any]) -> Adjective:
    values = {"de_plain": entry["de"], **entry}
    if "fr" in values and len(values["fr"]) == 1:
        masculine = values["fr"][0]
        values["fr"] = [masculine, masculine if masculine.endswith("e") else f"{masculine}e"]
    adjective: Adjective = _entry(Adjective, values)
    return adjective


def _verb(frame: str, entry: dict[str, Any]) -> Verb:
    verb: Verb = _entry(Verb, {**entry, "frame": frame, "en": entry["en"].split()})
    return verb


def load_lexicon() -> Lexicon:
    """Read the lexicon from its files."""
    words = _load("function_words")
    return Lexicon(
        nouns=tuple(
            _noun(kind, entry) for kind, group in _load("nouns").items() for entry in group
        ),
        adjectives=tuple(_adjective(entry) for entry in _load("adjectives")),
        verbs=tuple(
            _verb(frame, entry) for frame, group in _load("verbs").items() for entry in group
        ),
        prepositions=tuple(_entry(Preposition, entry) for entry in words["prepositions"]),
        modals=tuple(Modal(**entry) for entry in words["modals"]),
        frequency=tuple(Adverb(**entry) for entry in words["frequency"]),
        manner=tuple(Adverb(**entry) for entry in words["manner"]),
        times=tuple(
            Time(**entry, tense=tense) for tense, group in words["times"].items() for entry in group
        ),
        names=tuple((name, gender) for gender, group in words["names"].items() for name in group),
        conjunctions={key: Conjunction(**entry) for key, entry in words["conjunctions"].items()},
        numerals={key: Conjunction(**entry) for key, entry in words["numerals"].items()},
        french={key: _entry(FrenchForms, entry) for key, entry in _load("french_verbs").items()},
    )
