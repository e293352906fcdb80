"""The English lineariser: do-support, progressive, articles, agreement of the third person."""

from __future__ import annotations

from embedded.surface import join
from embedded.tree import Clause, Gap, Name, NounPhrase, Phrase, Place, Pronoun, Sentence

_PRONOUNS = {  # subject, object
    (1, False): ("I", "me"),
    (1, True): ("we", "us"),
    (3, True): ("they", "them"),
    "m": ("he", "him"),
    "f": ("she", "her"),
    "it": ("it", "it"),
}
_DOUBLING = {"get", "run", "put", "sit", "swim", "begin", "forget"}
_VOWEL_SOUNDS = ("a", "e", "i", "o", "u", "hon", "hour")
_SIBILANTS = ("s", "sh", "ch", "x", "z", "o")


class English:
    """Turns trees into English text."""

    code = "en"

    def __init__(self, numerals: dict[str, str]) -> None:
        """Keep the words of the numerals and quantities."""
        self._numerals = numerals

    def sentence(self, sentence: Sentence) -> str:
        """Return the sentence as text."""
        clause = sentence.clause
        words = self._question(sentence) if sentence.question else self._clause(clause)
        if sentence.other is not None and sentence.conjunction is not None:
            other = [sentence.conjunction.en, *self._clause(sentence.other)]
            if sentence.other_first:
                words = [*other, ",", *words]
            else:
                comma = [","] if sentence.conjunction.en in ("and", "but") else []
                words = [*words, *comma, *other]
        return join(words, "?" if sentence.question else ".")

    def _question(self, sentence: Sentence) -> list[str]:
        if sentence.word == "who":
            return ["who", *self._clause(sentence.clause, gap="subject")]
        gap: Gap | None = "object" if sentence.word in ("whom", "what") else None
        word = "who" if sentence.word == "whom" else sentence.word or ""
        return [word, *self._clause(sentence.clause, gap=gap, inverted=True)]

    def _clause(self, clause: Clause, gap: Gap | None = None, inverted: bool = False) -> list[str]:
        subject_phrase = clause.subject
        if clause.passive and clause.object is not None:
            subject_phrase = clause.object
        subject = [] if gap == "subject" else self.phrase(subject_phrase)
        helpers, main = self._verbs(clause, subject_phrase, inverted)
        negation = ["not"] if clause.negated else []
        frequency = [clause.frequency.en] if clause.frequency else []
        time = [clause.time.en] if clause.time else []
        if inverted:
            head = [helpers[0], *subject, *negation, *helpers[1:]]
        else:
            head = [*subject, *helpers[:1], *negation, *helpers[1:]]
        first = [*time, ","] if clause.time_first and time else []
        last = [] if clause.time_first else time
        if helpers == ["cannot"]:
            head = [*subject, "cannot"]
        return [
            *first,
            *head,
            *frequency,
            *main,
            *self._rest(clause, gap),
            *last,
            *self._after(clause),
        ]

    def _verbs(
        self, clause: Clause, subject: Phrase, inverted: bool
    ) -> tuple[list[str], list[str]]:
        """Return the auxiliaries and the rest of the verb group."""
        verb = clause.verb
        base, past, participle = verb.en
        third = _person(subject) == (3, False)
        if clause.passive:
            return [_be(clause.tense, subject)], [participle]
        if clause.modal is not None:
            modal = clause.modal.en if clause.tense == "present" else clause.modal.en_past
            helper, *rest = modal.split()
            if helper in ("can", "must", "could"):
                if helper == "can" and clause.negated and not inverted:
                    return ["cannot"], [*rest, base]
                return [helper], [*rest, base]
            if clause.negated or inverted:
                did = "did" if clause.tense == "past" else "does" if third else "do"
                return [did], ["have" if helper == "had" else "want", *rest, base]
            return [], [
                _third(helper) if clause.tense == "present" and third else helper,
                *rest,
                base,
            ]
        if clause.tense == "future":
            return ["will"], [base]
        if base == "be":
            return [_be(clause.tense, subject)], []
        if clause.tense == "present" and not verb.stative and not clause.habitual:
            return [_be("present", subject)], [_progressive(base)]
        if clause.negated or inverted:
            return ["did" if clause.tense == "past" else "does" if third else "do"], [base]
        if clause.tense == "past":
            return [], [past]
        return [], [_third(base) if third else base]

    def _rest(self, clause: Clause, gap: Gap | None) -> list[str]:
        """Return the objects, the manner and the place."""
        verb = clause.verb
        words: list[str] = []
        particle = verb.particle.split()
        if clause.passive:
            return [
                *particle,
                "by",
                *self.phrase(clause.subject, case=1),
                *self._place(clause.place),
            ]
        if clause.object is not None and gap != "object":
            given = self.phrase(clause.object, case=1, negated=clause.negated)
            preposition = verb.en_object.split()
            if isinstance(clause.object, Pronoun) and not preposition:
                words = [*given, *particle]
            else:
                words = [*particle, *preposition, *given]
        else:
            words = [*particle, *verb.en_object.split()]
        if clause.recipient is not None:
            words += ["to", *self.phrase(clause.recipient, case=1)]
        if clause.quality is not None:
            adjective = clause.quality.adjective
            if clause.quality.than is None:
                words.append(adjective.en)
            else:
                words += [adjective.more[0], "than", *self.phrase(clause.quality.than, case=1)]
        manner = [clause.manner.en] if clause.manner else []
        return [*words, *manner, *self._place(clause.place)]

    def _after(self, clause: Clause) -> list[str]:
        words: list[str] = []
        for clause_after in (clause.infinitive, clause.purpose):
            if clause_after is not None:
                words += ["to", clause_after.verb.en[0], *self._rest(clause_after, None)]
        if clause.content is not None and clause.conjunction is not None:
            words += [clause.conjunction.en, *self._clause(clause.content)]
        return words

    def _place(self, place: Place | None) -> list[str]:
        if place is None:
            return []
        if place.preposition is not None:
            preposition = place.preposition.en
        else:
            preposition = "to" if place.motion else place.phrase.noun.at[0]
        return [preposition, *self.phrase(place.phrase, case=1)]

    def phrase(self, phrase: Phrase, case: int = 0, negated: bool = False) -> list[str]:
        """Return a noun phrase; case 0 is the subject, 1 any other."""
        if isinstance(phrase, Name):
            return [phrase.text]
        if isinstance(phrase, Pronoun):
            if phrase.person == 1 or phrase.plural:
                return [_PRONOUNS[phrase.person, phrase.plural][case]]
            return [_PRONOUNS["it" if phrase.antecedent else phrase.gender][case]]
        noun = phrase.noun
        word = noun.en_plural if phrase.plural else noun.en
        words = [*(adjective.en for adjective in phrase.adjectives), word]
        if phrase.owner is not None:
            words = self._owned(phrase, words)
        else:
            words = [*self._determiner(phrase, words[0], negated), *words]
        if phrase.relative is not None:
            words += self._relative(phrase)
        return words

    def _owned(self, phrase: NounPhrase, words: list[str]) -> list[str]:
        owner = phrase.owner
        if isinstance(owner, NounPhrase) and "human" not in owner.noun.kinds:
            return [*self._determiner(phrase, words[0], False), *words, "of", *self.phrase(owner)]
        *before, last = self.phrase(owner) if owner is not None else [""]
        plural = isinstance(owner, NounPhrase) and owner.plural and last.endswith("s")
        return [*before, f"{last}'" if plural else f"{last}'s", *words]

    def _determiner(self, phrase: NounPhrase, following: str, negated: bool) -> list[str]:
        determiner = phrase.determiner
        if determiner == "a":
            return ["an" if following.startswith(_VOWEL_SOUNDS) else "a"]
        if determiner == "this":
            return ["these" if phrase.plural else "this"]
        if determiner == "bare":
            return ["any"] if negated else []
        if determiner == "generic":
            return ["the"] if "instrument" in phrase.noun.kinds else []
        return [self._numerals.get(determiner, determiner)]

    def _relative(self, phrase: NounPhrase) -> list[str]:
        relative = phrase.relative
        if relative is None:
            return []
        human = "human" in phrase.noun.kinds
        words = self._clause(relative.clause, gap=relative.gap)
        pronoun = ("who" if relative.gap == "subject" else "whom") if human else "that"
        return [pronoun, *words]


def _person(phrase: Phrase) -> tuple[int, bool]:
    if isinstance(phrase, Name):
        return 3, False
    if isinstance(phrase, Pronoun):
        return phrase.person, phrase.plural
    return 3, phrase.plural or phrase.noun.fr_only_plural


def _be(tense: str, subject: Phrase) -> str:
    person, plural = _person(subject)
    if tense == "past":
        return "were" if plural else "was"
    if plural:
        return "are"
    return "am" if person == 1 else "is"


def _third(base: str) -> str:
    if base == "have":
        return "has"
    if base.endswith("y") and base[-2] not in "aeiou":
        return f"{base[:-1]}ies"
    return f"{base}es" if base.endswith(_SIBILANTS) else f"{base}s"


def _progressive(base: str) -> str:
    if base in _DOUBLING:
        return f"{base}{base[-1]}ing"
    if base.endswith("e") and not base.endswith("ee"):
        return f"{base[:-1]}ing"
    return f"{base}ing"
