"""German morphology: declension of articles, adjectives and nouns, conjugation."""

from __future__ import annotations

from dataclasses import dataclass

from embedded.entries import Noun, Verb

# Endings by case, for masculine, feminine, neuter and plural.
Endings = dict[str, tuple[str, ...]]
_GENDERS = {"m": 0, "f": 1, "n": 2, "pl": 3}
_DEFINITE: Endings = {
    "nom": ("der", "die", "das", "die"),
    "acc": ("den", "die", "das", "die"),
    "dat": ("dem", "der", "dem", "den"),
    "gen": ("des", "der", "des", "der"),
}
_STRONG_ARTICLE: Endings = {
    "nom": ("er", "e", "es", "e"),
    "acc": ("en", "e", "es", "e"),
    "dat": ("em", "er", "em", "en"),
    "gen": ("es", "er", "es", "er"),
}
_EIN_ARTICLE: Endings = {
    "nom": ("", "e", "", "e"),
    "acc": ("en", "e", "", "e"),
    "dat": ("em", "er", "em", "en"),
    "gen": ("es", "er", "es", "er"),
}
_WEAK: Endings = {
    "nom": ("e", "e", "e", "en"),
    "acc": ("en", "e", "e", "en"),
    "dat": ("en", "en", "en", "en"),
    "gen": ("en", "en", "en", "en"),
}
_MIXED: Endings = {
    "nom": ("er", "e", "es", "en"),
    "acc": ("en", "e", "es", "en"),
    "dat": ("en", "en", "en", "en"),
    "gen": ("en", "en", "en", "en"),
}
_STRONG: Endings = {
    "nom": ("er", "e", "es", "e"),
    "acc": ("en", "e", "es", "e"),
    "dat": ("em", "er", "em", "en"),
    "gen": ("en", "er", "en", "er"),
}
_DER_WORDS = {"this": "dies", "every": "jed"}
_EIN_WORDS = {
    "a": "ein",
    "no": "kein",
    "my": "mein",
    "his": "sein",
    "her": "ihr",
    "our": "unser",
    "their": "ihr",
}
_CONTRACTED = {
    ("in", "dem"): "im",
    ("an", "dem"): "am",
    ("zu", "dem"): "zum",
    ("zu", "der"): "zur",
    ("von", "dem"): "vom",
    ("in", "das"): "ins",
    ("an", "das"): "ans",
}
_PRESENT = {  # 1sg, 3sg, plural
    "sein": ("bin", "ist", "sind"),
    "haben": ("habe", "hat", "haben"),
    "werden": ("werde", "wird", "werden"),
}


def determiner(word: str, gender: str, case: str) -> tuple[str, Endings]:
    """Return an article or pronoun and the declension it asks of an adjective."""
    column = _GENDERS[gender]
    if word == "the":
        return _DEFINITE[case][column], _WEAK
    if word in _DER_WORDS:
        return _DER_WORDS[word] + _STRONG_ARTICLE[case][column], _WEAK
    if word in _EIN_WORDS:
        return _EIN_WORDS[word] + _EIN_ARTICLE[case][column], _MIXED
    return "", _STRONG


def adjective_ending(declension: Endings, gender: str, case: str) -> str:
    """Return the ending of an adjective; the plural has its own gender, "pl"."""
    return declension[case][_GENDERS[gender]]


def noun_form(noun: Noun, case: str, plural: bool) -> str:
    """Return a noun in a case: weak nouns, the -n of the dative plural, the genitive -s."""
    if plural:
        needs_n = case == "dat" and not noun.de_plural.endswith(("n", "s"))
        return f"{noun.de_plural}n" if needs_n else noun.de_plural
    if noun.weak and case != "nom":
        return noun.de_plural
    if case == "gen" and noun.de_gender != "f":
        return genitive(noun.de)
    return noun.de


def genitive(word: str) -> str:
    """Add the genitive ending of a masculine or neuter noun: -es after one syllable, else -s."""
    vowels = "aeiouäöüy"
    lower = word.lower()
    syllables = sum(
        letter in vowels and (i == 0 or lower[i - 1] not in vowels)
        for i, letter in enumerate(lower)
    )
    return f"{word}es" if syllables == 1 and lower[-1] not in vowels else f"{word}s"


def contract(preposition: str, words: list[str]) -> list[str]:
    """Put a preposition in front of a noun phrase: im, am, zum, zur, ins, vom."""
    contracted = _CONTRACTED.get((preposition, words[0]))
    return [contracted, *words[1:]] if contracted else [preposition, *words]


@dataclass(frozen=True)
class VerbForms:
    """The principal parts of a German verb, its separable prefix apart."""

    prefix: str
    infinitive: str
    third: str
    participle: str
    reflexive: bool
    first: str
    past: str

    def present(self, person: int, plural: bool) -> str:
        """Return the finite present, without the prefix."""
        if self.infinitive in _PRESENT:
            return auxiliary(self.infinitive, person, plural)
        if plural:
            return self.infinitive
        return self.third if person == 3 else self.first

    def preterite(self, plural: bool) -> str:
        """Return the preterite; the first and the third person are the same."""
        if not plural:
            return self.past
        return f"{self.past}n" if self.past.endswith("e") else f"{self.past}en"


def verb_forms(verb: Verb) -> VerbForms:
    """Return the forms of a verb from its entry: "sich aus|ruhen ruht geruht"."""
    *reflexive, infinitive, third, participle = verb.de.split()
    prefix, _, base = infinitive.rpartition("|")
    stem = base.removesuffix("en") if base.endswith("en") else base.removesuffix("n")
    if stem.endswith("el"):
        stem = f"{stem[:-2]}l"
    return VerbForms(
        prefix=prefix,
        infinitive=base,
        third=third,
        participle=prefix + participle,
        reflexive=bool(reflexive),
        first=verb.de_first or f"{stem}e",
        past=verb.de_past,
    )


def auxiliary(infinitive: str, person: int, plural: bool) -> str:
    """Return the present of sein, haben or werden."""
    first, third, many = _PRESENT[infinitive]
    return many if plural else first if person == 1 else third
