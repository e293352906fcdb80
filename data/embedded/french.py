"""The French lineariser: agreement, clitics, negation, adjective order, tenses."""

from __future__ import annotations

from dataclasses import replace

from embedded.entries import Adjective
from embedded.french_forms import (
    Conjugator,
    adjective_form,
    agree,
    contract,
    determiner,
    elide,
    starts_with_vowel,
)
from embedded.surface import join
from embedded.tree import Clause, Gap, Name, NounPhrase, Phrase, Place, Pronoun, Sentence

_REFLEXIVE = ("me", "se", "nous", "se")
_DIRECT = {"m": "le", "f": "la"}
_TONIC = {"m": ("lui", "eux"), "f": ("elle", "elles")}
_ASKED = {
    "what": "qu'est-ce que",
    "whom": "qui est-ce que",
    "why": "pourquoi est-ce que",
    "when": "quand est-ce que",
    "where": "où est-ce que",
    None: "est-ce que",
}


class French:
    """Turns trees into French text, with no space before the question mark."""

    code = "fr"

    def __init__(self, conjugator: Conjugator, numerals: dict[str, str]) -> None:
        """Keep the conjugation and the words of the numerals and quantities."""
        self._conjugator = conjugator
        self._numerals = numerals

    def sentence(self, sentence: Sentence) -> str:
        """Return the sentence as text."""
        if sentence.word == "who":
            words = ["qui", *self._clause(sentence.clause, gap="subject")]
        elif sentence.question:
            gap: Gap | None = "object" if sentence.word in ("whom", "what") else None
            words = [_ASKED[sentence.word], *self._clause(sentence.clause, gap=gap, asked=True)]
        else:
            words = self._clause(sentence.clause)
        if sentence.other is not None and sentence.conjunction is not None:
            conjunction = sentence.conjunction.fr
            other = [conjunction, *self._clause(sentence.other)]
            comma = [","] if conjunction == "mais" else []
            words = [*other, ",", *words] if sentence.other_first else [*words, *comma, *other]
        return join(elide(words), "?" if sentence.question else ".")

    def _clause(self, clause: Clause, gap: Gap | None = None, asked: bool = False) -> list[str]:
        if clause.verb.fr_inverted and clause.object is not None:
            inverted = replace(clause.verb, fr_inverted=False)
            clause = replace(clause, verb=inverted, subject=clause.object, object=clause.subject)
        surface = clause.subject
        if clause.passive and clause.object is not None:
            surface = clause.object
        subject = [] if gap == "subject" else self.phrase(surface)
        time = [clause.time.fr] if clause.time else []
        first = [*time, ","] if clause.time_first and time else []
        last = [] if clause.time_first else time
        verbs = self._verbs(clause, surface, gap)
        return [
            *first,
            *subject,
            *verbs,
            *self._rest(clause, gap),
            *last,
            *self._after(clause, surface),
        ]

    def _verbs(self, clause: Clause, subject: Phrase, gap: Gap | None) -> list[str]:
        """Return the negation, the clitics and the verb group."""
        person = _person(subject)
        infinitive = self._infinitive(clause)
        clitics = self._clitics(clause, person, gap)
        negative = clause.negated or (clause.frequency is not None and clause.frequency.negative)
        after = ["pas"] if clause.negated else []
        after += [clause.frequency.fr] if clause.frequency else []
        ne = ["ne"] if negative else []
        early = [clause.manner.fr] if clause.manner and clause.manner.fr_before_participle else []
        late = [clause.manner.fr] if clause.manner and not early else []
        conjugator = self._conjugator
        if clause.modal is not None:
            form = conjugator.present if clause.tense == "present" else conjugator.imperfect
            finite = form(clause.modal.fr, person)
            return [*ne, finite, *after, *clitics, *early, infinitive, *late]
        if clause.passive:
            perfect = [conjugator.present("avoir", person), *after, "été"]
            return [*ne, *perfect, self._participle(infinitive, subject)]
        stative = clause.verb.stative or clause.quality is not None
        if clause.tense == "past" and not stative:
            forms = conjugator.forms(infinitive)
            with_etre = forms.aux == "être" or _reflexive(clause)
            finite = conjugator.present("être" if with_etre else "avoir", person)
            agreeing = subject if with_etre else self._preceding_object(clause, gap)
            participle = self._participle(infinitive, agreeing)
            return [*ne, *clitics, finite, *after, *early, participle, *late]
        form = {
            "present": conjugator.present,
            "past": conjugator.imperfect,
            "future": conjugator.future,
        }[clause.tense]
        return [*ne, *clitics, form(infinitive, person), *after, *early, *late]

    def _infinitive(self, clause: Clause) -> str:
        if clause.quality is not None and clause.quality.adjective.idiom:
            return "avoir"
        return clause.verb.fr.removeprefix("se ").removeprefix("s'")

    def _participle(self, infinitive: str, agreeing: Phrase | None) -> str:
        participle = self._conjugator.forms(infinitive).participle
        if agreeing is None:
            return participle
        return agree(participle, _feminine(agreeing), _plural(agreeing))

    def _preceding_object(self, clause: Clause, gap: Gap | None) -> Phrase | None:
        """Return the direct object that stands before the participle, which then agrees."""
        if clause.verb.fr_object:
            return None
        return clause.object if gap == "object" or isinstance(clause.object, Pronoun) else None

    def _clitics(self, clause: Clause, person: int, gap: Gap | None) -> list[str]:
        clitics = [_REFLEXIVE[person]] if _reflexive(clause) else []
        if isinstance(clause.object, Pronoun) and gap != "object" and not clause.passive:
            if not clause.verb.fr_object:
                clitics.append(_direct(clause.object))
            elif clause.verb.fr_object == "à" and not clause.verb.fr_tonic:
                clitics.append(_indirect(clause.object))
        if isinstance(clause.recipient, Pronoun):
            clitics.append(_indirect(clause.recipient))
        return clitics

    def _rest(self, clause: Clause, gap: Gap | None) -> list[str]:
        verb = clause.verb
        words = [verb.fr_tail] if verb.fr_tail else []
        negative = clause.negated or (clause.frequency is not None and clause.frequency.negative)
        if clause.passive:
            return [*words, *self._prepositional("par", clause.subject), *self._place(clause.place)]
        if clause.object is not None and gap != "object":
            words += self._object(clause, negative)
        if clause.recipient is not None and not isinstance(clause.recipient, Pronoun):
            words += self._prepositional("à", clause.recipient)
        if clause.quality is not None:
            adjective = clause.quality.adjective
            feminine, plural = _feminine(clause.subject), _plural(clause.subject)
            if clause.quality.than is not None:
                words.append("plus")
            words.append(adjective.idiom or adjective_form(adjective, feminine, plural))
            if clause.quality.than is not None:
                words += ["que", *self._tonic(clause.quality.than)]
        return [*words, *self._place(clause.place)]

    def _object(self, clause: Clause, negative: bool) -> list[str]:
        given, verb = clause.object, clause.verb
        if given is None:
            return []
        if verb.fr_object:
            clitic = verb.fr_object == "à" and not verb.fr_tonic
            if isinstance(given, Pronoun) and clitic:
                return []
            return self._prepositional(verb.fr_object, given)
        return [] if isinstance(given, Pronoun) else self.phrase(given, negative)

    def _tonic(self, phrase: Phrase) -> list[str]:
        if isinstance(phrase, Pronoun):
            if phrase.person == 1:
                return ["nous" if phrase.plural else "moi"]
            return [_TONIC["f" if _feminine(phrase) else "m"][phrase.plural]]
        return self.phrase(phrase)

    def _prepositional(self, preposition: str, phrase: Phrase) -> list[str]:
        return contract(preposition, self._tonic(phrase))

    def _place(self, place: Place | None) -> list[str]:
        if place is None:
            return []
        preposition = place.preposition.fr if place.preposition else place.phrase.noun.at[1]
        return self._prepositional(preposition, place.phrase)

    def _after(self, clause: Clause, subject: Phrase) -> list[str]:
        words: list[str] = []
        for marker, dependent in (
            (clause.verb.fr_object, clause.infinitive),
            ("pour", clause.purpose),
        ):
            if dependent is not None:
                clitics = self._clitics(dependent, _person(subject), None)
                late = [dependent.manner.fr] if dependent.manner else []
                infinitive = self._infinitive(dependent)
                early = late if dependent.manner and dependent.manner.fr_before_participle else []
                late = [] if early else late
                words += [marker, *early, *clitics, infinitive, *late, *self._rest(dependent, None)]
        if clause.content is not None and clause.conjunction is not None:
            words += [clause.conjunction.fr, *self._clause(clause.content)]
        return words

    def phrase(self, phrase: Phrase, negative: bool = False) -> list[str]:
        """Return a noun phrase; under a negation an indefinite one takes de."""
        if isinstance(phrase, Name):
            return [phrase.text]
        if isinstance(phrase, Pronoun):
            if phrase.person == 1:
                return ["nous" if phrase.plural else "je"]
            pronoun = "elle" if _feminine(phrase) else "il"
            return [f"{pronoun}s" if phrase.plural else pronoun]
        words = self._noun(phrase)
        if isinstance(phrase.owner, NounPhrase | Name):
            article = determiner("the", _feminine(phrase), _plural(phrase), words[0])
            if isinstance(phrase.owner, NounPhrase) and "human" not in phrase.owner.noun.kinds:
                article = self._determiner(phrase, words[0], negative)[0]
            words = [article, *words, *contract("de", self.phrase(phrase.owner))]
        else:
            words = [*self._determiner(phrase, words[0], negative), *words]
        if phrase.relative is not None:
            gap = phrase.relative.gap
            pronoun = "qui" if gap == "subject" else "que"
            words += [pronoun, *self._clause(phrase.relative.clause, gap=gap)]
        return words

    def _noun(self, phrase: NounPhrase) -> list[str]:
        noun = phrase.noun
        plural = phrase.plural
        word = noun.fr_plural if plural else noun.fr
        before = [word]
        for adjective in reversed([each for each in phrase.adjectives if each.before]):
            before.insert(0, self._adjective(adjective, phrase, before[0]))
        after = [each for each in phrase.adjectives if not each.before]
        return [*before, *(self._adjective(each, phrase, "") for each in after)]

    def _adjective(self, adjective: Adjective, phrase: NounPhrase, following: str) -> str:
        return adjective_form(adjective, _feminine(phrase), _plural(phrase), following)

    def _determiner(self, phrase: NounPhrase, following: str, negative: bool) -> list[str]:
        word = phrase.determiner
        feminine, plural = _feminine(phrase), _plural(phrase)
        if word in self._numerals:
            return self._numerals[word].split()
        if word == "generic":
            return [determiner("the", feminine, plural, following)]
        if word in ("a", "bare") and negative:
            return ["de"]
        if word == "bare" and not plural:
            partitive = determiner("the", feminine, False, following)
            return (
                ["du"]
                if partitive == "le" and not starts_with_vowel(following)
                else ["de", partitive]
            )
        if word == "bare":
            preceded = any(adjective.before for adjective in phrase.adjectives)
            return ["de" if preceded else "des"]
        return [determiner(word, feminine, plural, following)]


def _reflexive(clause: Clause) -> bool:
    return clause.verb.fr.startswith(("se ", "s'"))


def _feminine(phrase: Phrase) -> bool:
    if isinstance(phrase, Name):
        return phrase.gender == "f"
    if isinstance(phrase, Pronoun):
        return (phrase.antecedent.fr_gender if phrase.antecedent else phrase.gender) == "f"
    return phrase.noun.fr_gender == "f"


def _plural(phrase: Phrase) -> bool:
    if isinstance(phrase, NounPhrase):
        return phrase.plural or phrase.noun.fr_only_plural
    return isinstance(phrase, Pronoun) and phrase.plural


def _person(phrase: Phrase) -> int:
    """Return the index of je, il, nous, ils."""
    first = isinstance(phrase, Pronoun) and phrase.person == 1
    return (0 if first else 1) + (2 if _plural(phrase) else 0)


def _direct(pronoun: Pronoun) -> str:
    if pronoun.person == 1:
        return "nous" if pronoun.plural else "me"
    return "les" if pronoun.plural else _DIRECT["f" if _feminine(pronoun) else "m"]


def _indirect(pronoun: Pronoun) -> str:
    if pronoun.person == 1:
        return "nous" if pronoun.plural else "me"
    return "leur" if pronoun.plural else "lui"
