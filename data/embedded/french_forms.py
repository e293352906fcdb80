"""French morphology: conjugation, the forms of adjectives and determiners, elision."""

from __future__ import annotations

from itertools import pairwise

from embedded.entries import Adjective, FrenchForms

# Persons index the present: je, il, nous, ils.
_FUTURE = ("ai", "a", "ons", "ont")
_IMPERFECT = ("ais", "ait", "ions", "aient")
# A mute h elides, these do not.
_ASPIRATED = ("hache", "haricot", "hérisson", "héros")
_VOWELS = tuple("aeiouyâàéèêëîïôöûùœh")
_ELIDED = {
    "le": "l'",
    "la": "l'",
    "je": "j'",
    "me": "m'",
    "se": "s'",
    "ne": "n'",
    "de": "d'",
    "que": "qu'",
}
_CONTRACTED = {("à", "le"): "au", ("à", "les"): "aux", ("de", "le"): "du", ("de", "les"): "des"}
_POSSESSIVE = {
    "my": ("mon", "ma", "mes"),
    "his": ("son", "sa", "ses"),
    "her": ("son", "sa", "ses"),
    "our": ("notre", "notre", "nos"),
    "their": ("leur", "leur", "leurs"),
}


class Conjugator:
    """Conjugates French verbs, the irregular ones by their table."""

    def __init__(self, table: dict[str, FrenchForms]) -> None:
        """Keep the table of irregular verbs."""
        self._table = table

    def forms(self, infinitive: str) -> FrenchForms:
        """Return the principal parts of a verb without its reflexive pronoun."""
        if infinitive in self._table:
            return self._table[infinitive]
        stem = infinitive.removesuffix("er")
        soft = {"g": f"{stem}e", "c": f"{stem[:-1]}ç"}.get(stem[-1], stem)
        present = (f"{stem}e", f"{stem}e", f"{soft}ons", f"{stem}ent")
        return FrenchForms(present, f"{stem}é", infinitive)

    def present(self, infinitive: str, person: int) -> str:
        """Return the present."""
        return self.forms(infinitive).present[person]

    def future(self, infinitive: str, person: int) -> str:
        """Return the simple future."""
        return self.forms(infinitive).future + _FUTURE[person]

    def imperfect(self, infinitive: str, person: int) -> str:
        """Return the imperfect, on the stem of nous except for être."""
        stem = (
            "ét" if infinitive == "être" else self.forms(infinitive).present[2].removesuffix("ons")
        )
        return stem + _IMPERFECT[person]


def starts_with_vowel(word: str) -> bool:
    """Whether a word elides the one before it."""
    lower = word.lower()
    return lower.startswith(_VOWELS) and not lower.startswith(_ASPIRATED)


def adjective_form(adjective: Adjective, feminine: bool, plural: bool, following: str = "") -> str:
    """Return an adjective; the word that follows chooses bel, nouvel, vieil."""
    if adjective.fixed:
        return adjective.fr[0]
    if feminine:
        return agree(adjective.fr[1], False, plural)
    if plural:
        return adjective.fr_plural or agree(adjective.fr[0], False, True)
    if adjective.fr_vowel and following and starts_with_vowel(following):
        return adjective.fr_vowel
    return adjective.fr[0]


def agree(word: str, feminine: bool, plural: bool) -> str:
    """Add the endings of the feminine and the plural to a participle or a masculine adjective."""
    if feminine:
        word = f"{word}e"
    return f"{word}s" if plural and not word.endswith(("s", "x")) else word


def determiner(word: str, feminine: bool, plural: bool, following: str) -> str:
    """Return an article, a demonstrative or a possessive in front of the following word."""
    vowel = starts_with_vowel(following)
    if word in _POSSESSIVE:
        masculine, feminine_form, many = _POSSESSIVE[word]
        return many if plural else feminine_form if feminine and not vowel else masculine
    forms = {
        "the": ("le", "la", "les"),
        "a": ("un", "une", "des"),
        "this": ("cet" if vowel else "ce", "cette", "ces"),
        "every": ("chaque", "chaque", "chaque"),
    }[word]
    return forms[2 if plural else 1 if feminine else 0]


def contract(preposition: str, words: list[str]) -> list[str]:
    """Put a preposition in front of a noun phrase: au, aux, du, des, but "à l'homme"."""
    *before, last = preposition.split()
    contracted = _CONTRACTED.get((last, words[0]))
    if contracted is None or (words[0] == "le" and starts_with_vowel(words[1])):
        return [*before, last, *words]
    return [*before, contracted, *words[1:]]


def elide(words: list[str]) -> list[str]:
    """Elide articles, clitics, de, que and si in front of a vowel."""
    elided = list(words)
    for i, (word, following) in enumerate(pairwise(words)):
        *before, last = word.split(" ")
        if last == "si" and following in ("il", "ils"):
            elided[i] = " ".join([*before, "s'"])
        elif last in _ELIDED and starts_with_vowel(following):
            elided[i] = " ".join([*before, _ELIDED[last]])
    return elided
