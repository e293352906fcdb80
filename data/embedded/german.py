"""The German lineariser: verb-second and verb-final clauses, cases, separable verbs."""

from __future__ import annotations

from dataclasses import replace
from typing import Literal

from embedded.german_forms import (
    VerbForms,
    adjective_ending,
    auxiliary,
    contract,
    determiner,
    noun_form,
    verb_forms,
)
from embedded.surface import join
from embedded.tree import Clause, Gap, Name, NounPhrase, Phrase, Place, Pronoun, Sentence

Order = Literal["second", "first", "final"]
_PERSONAL = {
    "m": ("er", "ihn", "ihm"),
    "f": ("sie", "sie", "ihr"),
    "n": ("es", "es", "ihm"),
    "pl": ("sie", "sie", "ihnen"),
}
_FIRST_PERSON = {False: ("ich", "mich", "mir"), True: ("wir", "uns", "uns")}
_CASES = {"nom": 0, "acc": 1, "dat": 2}
_ASKED = {"why": "warum", "when": "wann", "where": "wo", "what": "was"}
_WHO = {"nom": "wer", "acc": "wen", "dat": "wem"}


class German:
    """Turns trees into German text."""

    code = "de"

    def __init__(self, numerals: dict[str, str]) -> None:
        """Keep the words of the numerals and quantities."""
        self._numerals = numerals

    def sentence(self, sentence: Sentence) -> str:
        """Return the sentence as text."""
        words = self._main(sentence)
        if sentence.other is not None and sentence.conjunction is not None:
            conjunction = sentence.conjunction.de
            if conjunction in ("und", "aber"):
                comma = [","] if conjunction == "aber" else []
                words = [*words, *comma, conjunction, *self._clause(sentence.other, "second")]
            else:
                other = [conjunction, *self._clause(sentence.other, "final")]
                words = [*other, ",", *words] if sentence.other_first else [*words, ",", *other]
        return join(words, "?" if sentence.question else ".")

    def _main(self, sentence: Sentence) -> list[str]:
        clause = sentence.clause
        if sentence.word == "who":
            return ["wer", *self._clause(clause, "first", gap="subject")]
        if sentence.word == "whom":
            return [_WHO[clause.verb.de_object], *self._clause(clause, "first", gap="object")]
        if sentence.word is not None:
            gap: Gap | None = "object" if sentence.word == "what" else None
            return [_ASKED[sentence.word], *self._clause(clause, "first", gap=gap)]
        verb_first = sentence.question or sentence.other_first
        return self._clause(clause, "first" if verb_first else "second")

    def _clause(self, clause: Clause, order: Order, gap: Gap | None = None) -> list[str]:
        if clause.verb.de_inverted and clause.object is not None:
            inverted = replace(clause.verb, de_inverted=False)
            clause = replace(clause, verb=inverted, subject=clause.object, object=clause.subject)
        surface = clause.subject
        if clause.passive and clause.object is not None:
            surface = clause.object
        subject = [] if gap == "subject" else self.phrase(surface, "nom")
        finite, prefix, nonfinite = self._verbs(clause, surface)
        middle = self._middle(clause, surface, gap)
        after = self._after(clause, gap)
        if order == "final":
            return [*subject, *middle, *nonfinite, prefix + finite, *after]
        closing = [*nonfinite, prefix]
        if order == "first":
            return [finite, *subject, *middle, *closing, *after]
        if clause.time_first and clause.time:
            return [clause.time.de, finite, *subject, *middle, *closing, *after]
        return [*subject, finite, *middle, *closing, *after]

    def _verbs(self, clause: Clause, subject: Phrase) -> tuple[str, str, list[str]]:
        """Return the finite verb, its separated prefix and what closes the bracket."""
        forms = verb_forms(clause.verb)
        person, plural = _person(subject)
        infinitive = forms.prefix + forms.infinitive
        if clause.passive:
            return ("wurden" if plural else "wurde"), "", [forms.participle]
        if clause.modal is not None:
            negated = clause.negated and clause.tense == "present"
            modal = clause.modal.de_negated if negated else ""
            singular, many, past = (modal or clause.modal.de).split()
            if clause.tense == "past":
                return (f"{past}n" if plural else past), "", [infinitive]
            return (many if plural else singular), "", [infinitive]
        if clause.tense == "future":
            return auxiliary("werden", person, plural), "", [infinitive]
        if clause.tense == "past" and not forms.past:
            return auxiliary(clause.verb.de_aux, person, plural), "", [forms.participle]
        if clause.tense == "past":
            return forms.preterite(plural), forms.prefix, []
        return forms.present(person, plural), forms.prefix, []

    def _middle(self, clause: Clause, subject: Phrase, gap: Gap | None) -> list[str]:
        """Return the middle field: pronouns, dative, time, accusative, nicht, the rest."""
        verb = clause.verb
        reflexive = [_reflexive(subject)] if verb_forms(verb).reflexive else []
        pronouns: list[str] = []
        nominal: list[str] = []
        prepositional: list[str] = []
        given = None if gap == "object" or clause.passive else clause.object
        preposition, _, case = verb.de_object.rpartition(" ")
        no_article = _no_article(clause, gap)
        if given is not None:
            words = self._given(given, case, no_article)
            if preposition:
                prepositional = contract(preposition, words)
            elif isinstance(given, Pronoun):
                pronouns = words
            else:
                nominal = words
        recipient = self.phrase(clause.recipient, "dat") if clause.recipient else []
        if isinstance(clause.recipient, Pronoun):
            pronouns, recipient = [*pronouns, *recipient], []
        if clause.passive:
            prepositional = contract("von", self.phrase(clause.subject, "dat"))
        time = [clause.time.de] if clause.time and not clause.time_first else []
        time += [clause.frequency.de] if clause.frequency else []
        # "Angst haben" is negated as a noun: "keine Angst".
        tail = [verb.de_tail] if verb.de_tail else []
        if tail == ["Angst"] and clause.negated:
            tail, no_article = ["keine Angst"], True
        negation = ["nicht"] if clause.negated and not no_article else []
        manner = [clause.manner.de] if clause.manner else []
        generic = isinstance(given, NounPhrase) and given.determiner == "generic"
        place = self._place(clause.place)
        early: list[str] = nominal
        late: list[str] = []
        if generic:  # "spielt im Park gut Klavier": the bare noun ends the middle field
            early, late, manner = [], [*manner, *nominal], []
        field = [*reflexive, *pronouns, *recipient, *time, *early, *negation, *manner]
        return [*field, *tail, *prepositional, *self._quality(clause), *place, *late]

    def _given(self, given: Phrase, case: str, no_article: bool) -> list[str]:
        if isinstance(given, NounPhrase):
            if no_article:
                given = replace(given, determiner="no")
            given = given.head()
        return self.phrase(given, case)

    def _quality(self, clause: Clause) -> list[str]:
        if clause.quality is None:
            return []
        adjective = clause.quality.adjective
        if clause.quality.than is None:
            return [adjective.de_plain]
        return [adjective.more[1], "als", *self.phrase(clause.quality.than, "nom")]

    def _place(self, place: Place | None) -> list[str]:
        if place is None:
            return []
        if place.preposition is not None:
            preposition, case = place.preposition.de, "acc" if place.motion else "dat"
        elif place.motion:
            preposition = place.phrase.noun.at[3]
            case = "dat" if preposition == "zu" else "acc"
        else:
            preposition, case = place.phrase.noun.at[2], "dat"
        return contract(preposition, self.phrase(place.phrase, case))

    def _after(self, clause: Clause, gap: Gap | None) -> list[str]:
        """Return what follows the verbs: the object's relative clause and dependent clauses."""
        words: list[str] = []
        if isinstance(clause.object, NounPhrase) and gap != "object" and not clause.passive:
            words += self._relative(clause.object)
        if clause.infinitive is not None:
            words += [",", *self._infinitive(clause.infinitive)]
        if clause.purpose is not None:
            words += [",", "um", *self._infinitive(clause.purpose)]
        if clause.content is not None and clause.conjunction is not None:
            words += [",", clause.conjunction.de, *self._clause(clause.content, "final")]
        return words

    def _infinitive(self, clause: Clause) -> list[str]:
        forms: VerbForms = verb_forms(clause.verb)
        joined = [f"{forms.prefix}zu{forms.infinitive}"]
        verb = joined if forms.prefix else ["zu", forms.infinitive]
        return [*self._middle(clause, clause.subject, None), *verb]

    def phrase(self, phrase: Phrase, case: str) -> list[str]:
        """Return a noun phrase in a case."""
        if isinstance(phrase, Name):
            return [phrase.text]
        if isinstance(phrase, Pronoun):
            return [_pronoun(phrase, case)]
        gender = _gender(phrase)
        word = phrase.determiner
        if isinstance(phrase.owner, Name):
            # "Annas alte Lampe": the name takes the place of the article.
            article, declension = determiner("bare", gender, case)
            first = [f"{phrase.owner.text}s"]
        elif word in self._numerals:
            article, declension = determiner("bare", gender, case)
            many = {"viele": "vielen", "mehrere": "mehreren"}
            numeral = self._numerals[word]
            first = [many.get(numeral, numeral) if case == "dat" else numeral]
        else:
            word = "bare" if word == "a" and phrase.plural else word
            article, declension = determiner(word, gender, case)
            first = [article]
        ending = adjective_ending(declension, gender, case)
        adjectives = [f"{adjective.de}{ending}" for adjective in phrase.adjectives]
        words = [*filter(None, first), *adjectives, noun_form(phrase.noun, case, phrase.plural)]
        if isinstance(phrase.owner, NounPhrase):
            words += self.phrase(phrase.owner, "gen")
        return [*words, *self._relative(phrase)]

    def _relative(self, phrase: NounPhrase) -> list[str]:
        if phrase.relative is None:
            return []
        clause, gap = phrase.relative.clause, phrase.relative.gap
        case = "nom" if gap == "subject" else clause.verb.de_object
        pronoun, _ = determiner("the", _gender(phrase), case)
        pronoun = "denen" if phrase.plural and case == "dat" else pronoun
        return [",", pronoun, *self._clause(clause, "final", gap=gap), ","]


def _gender(phrase: NounPhrase) -> str:
    return "pl" if phrase.plural else phrase.noun.de_gender


def _person(phrase: Phrase) -> tuple[int, bool]:
    if isinstance(phrase, Name):
        return 3, False
    if isinstance(phrase, Pronoun):
        return phrase.person, phrase.plural
    return 3, phrase.plural


def _pronoun(pronoun: Pronoun, case: str) -> str:
    index = _CASES[case]
    if pronoun.person == 1:
        return _FIRST_PERSON[pronoun.plural][index]
    if pronoun.plural:
        return _PERSONAL["pl"][index]
    gender = pronoun.antecedent.de_gender if pronoun.antecedent else pronoun.gender
    return _PERSONAL[gender][index]


def _reflexive(subject: Phrase) -> str:
    person, plural = _person(subject)
    if person == 1:
        return "uns" if plural else "mich"
    return "sich"


def _no_article(clause: Clause, gap: Gap | None) -> bool:
    """Whether the negation is the article of the object: "kein"."""
    given = clause.object
    if not clause.negated or gap == "object" or not isinstance(given, NounPhrase):
        return False
    return given.determiner in ("a", "bare") and clause.verb.de_object == "acc"
