"""Sampling of clauses: a verb, arguments that fit it, and the circumstances."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection
from dataclasses import replace
from random import Random

from embedded.entries import Adjective, Lexicon, Time, Verb
from embedded.phrases import Phrases
from embedded.tree import Clause, NounPhrase, Phrase, Place, Quality, Tense

_FRAMES = {
    "none": 14.0,
    "object": 50.0,
    "recipient": 10.0,
    "motion": 8.0,
    "carry": 4.0,
    "stay": 3.0,
    "seat": 1.5,
    "put": 4.0,
    "position": 3.0,
    "quality": 5.0,
}
_DEEDS = ("object", "recipient", "motion", "carry", "put")
_TENSES = {"present": 4.0, "past": 4.0, "future": 2.0}


class Clauses:
    """Draws clauses whose parts go together."""

    def __init__(self, lexicon: Lexicon, rng: Random) -> None:
        """Sort the verbs by frame and the times by tense."""
        self.lexicon = lexicon
        self.phrases = Phrases(lexicon, rng)
        self.verbs: dict[str, list[Verb]] = defaultdict(list)
        for verb in lexicon.verbs:
            self.verbs[verb.frame] += [verb] * verb.weight
        self.times: dict[str, list[Time]] = defaultdict(list)
        for time in lexicon.times:
            self.times[time.tense].append(time)

    def tense(self) -> Tense:
        """Return a tense."""
        tense = self.phrases.weighted(_TENSES)
        return "past" if tense == "past" else "future" if tense == "future" else "present"

    def verb(self, subject: Phrase | None = None) -> Verb:
        """Return a verb; a given subject limits it to its kinds."""
        while True:
            verb = self.phrases.pick(self.verbs[self.phrases.weighted(_FRAMES)])
            if subject is None or not kinds_of(subject).isdisjoint(verb.subject):
                return verb

    def clause(
        self,
        tense: Tense,
        subject: Phrase | None = None,
        verb: Verb | None = None,
        negation: float = 0.12,
        modal: float = 0.12,
        habitual: bool = False,
    ) -> Clause:
        """Return a clause with its arguments; what is not given is drawn."""
        verb = verb or self.verb(subject)
        if verb.instant and tense == "present" and not habitual:
            tense = "past"
        negated = self.phrases.chance(negation)
        if subject is None:
            subject = self.phrases.subject(verb.subject, definite=negated or verb.stative)
        if isinstance(subject, NounPhrase) and subject.determiner in ("every", "many", "several"):
            negated = False
        clause = Clause(subject, verb, tense, negated, habitual)
        able = "human" in verb.subject and not verb.stative and tense != "future"
        if able and self.phrases.chance(modal):
            # "did not have to" and "must not" are no opposites: no past of the first.
            usable = [
                each
                for each in self.lexicon.modals
                if not (negated and tense == "past" and each.de_negated)
            ]
            clause = replace(clause, modal=self.phrases.pick(usable))
        return self._with_arguments(clause)

    def _with_arguments(self, clause: Clause) -> Clause:
        verb, phrases, subject = clause.verb, self.phrases, clause.subject
        if verb.object:
            clause = replace(clause, object=self._object(clause))
        if verb.frame == "quality":
            state = clause.tense == "future"
            adjectives = self.qualities(kinds_of(subject), state=state)
            return replace(clause, quality=Quality(phrases.pick(adjectives)))
        if verb.frame == "recipient":
            return replace(clause, recipient=self._recipient(subject))
        place: Place | None = None
        if verb.frame in ("motion", "carry"):
            place = phrases.place(verb.at, motion=True)
        elif verb.frame == "stay":
            place = phrases.place(verb.at)
        elif verb.frame == "seat":
            seat = NounPhrase(phrases.noun(["seat"]))
            place = Place(seat, self.lexicon.prepositions[0], motion=True)
        elif verb.frame == "put":
            place = self._resting_place(clause.object, motion=True)
        elif verb.frame == "position":
            place = self._resting_place(subject, motion=False)
        return replace(clause, place=place)

    def _object(self, clause: Clause) -> Phrase:
        """Return an object the verb can have; prepositions and feelings want a definite one."""
        verb = clause.verb
        indefinite = ("a", "bare", *self.lexicon.numerals)
        definite = (verb.frame == "object" and not verb.plain) or verb.stative
        while True:
            given = self.phrases.object(verb.object, clause.subject, clause.negated)
            if not isinstance(given, NounPhrase):
                return given
            if "instrument" in verb.object and verb.en[0] == "play":
                return NounPhrase(given.noun, "generic")
            if given.noun in _nouns(clause.subject) or (
                definite and given.determiner in indefinite
            ):
                continue
            return given

    def _recipient(self, subject: Phrase) -> Phrase:
        while True:
            given = self.phrases.object(["human"], subject)
            if not isinstance(given, NounPhrase):
                return given
            vague = given.determiner in ("bare", "many", "several") or given.adjectives
            if not vague and given.noun not in _nouns(subject):
                return given

    def _resting_place(self, thing: Phrase | None, motion: bool) -> Place:
        """Return where a thing is put: what stands fits no drawer, and nothing fits itself."""
        stands = thing is not None and "stand" in kinds_of(thing)
        while True:
            kinds = ["surface", "under", "tall_container" if stands else "container"]
            place = self.phrases.near(kinds, motion)
            if thing is None or place.phrase.noun not in _nouns(thing):
                return place

    def qualities(self, kinds: Collection[str], state: bool = False) -> list[Adjective]:
        """Return the adjectives that "to be" can say of such a subject, or its states only."""
        return [
            each
            for each in self.lexicon.adjectives
            if not each.attribute
            and not set(kinds).isdisjoint(each.of)
            and (each.state or not state)
        ]

    def with_circumstances(self, clause: Clause, chance: float) -> Clause:
        """Add a time or a frequency, and a manner where the verb has some."""
        verb, phrases = clause.verb, self.phrases
        if verb.manner and phrases.chance(0.3) and not clause.negated:
            fitting = [each for each in self.lexicon.manner if each.en in verb.manner]
            clause = replace(clause, manner=phrases.pick(fitting))
        lasting = clause.quality is not None and not clause.quality.adjective.state
        # "il y a un mois" asks for an event, not for the imperfect of a state.
        feeling = verb.stative and clause.tense != "future" and clause.quality is None
        if lasting or feeling or not phrases.chance(chance):
            return clause
        first = phrases.chance(0.45)
        if clause.tense != "present":
            return replace(clause, time=phrases.pick(self.times[clause.tense]), time_first=first)
        if clause.negated or clause.modal or clause.quality or phrases.chance(0.25):
            return replace(clause, time=phrases.pick(self.times["now"]), time_first=first)
        if phrases.chance(0.4):
            frequency = phrases.pick(self.lexicon.frequency)
            return replace(clause, frequency=frequency, manner=None, habitual=True)
        time = phrases.pick(self.times["habit"])
        return replace(clause, time=time, time_first=first, habitual=True)

    def with_place(self, clause: Clause, chance: float) -> Clause:
        """Add a place where the verb happens in one."""
        free = clause.place is None and clause.verb.at
        if free and clause.verb.frame in ("none", "object") and self.phrases.chance(chance):
            return replace(clause, place=self.phrases.place(clause.verb.at))
        return clause

    def event(self, tense: Tense, habitual: bool, negation: float) -> Clause:
        """Return a clause about something that happens; an instant has no "while"."""
        while True:
            verb = self.phrases.pick(self.verbs[self.phrases.pick(("none", *_DEEDS))])
            lasts = not verb.instant or tense != "present" or habitual
            if lasts and not verb.stative:
                clause = self.clause(
                    tense, verb=verb, negation=negation, modal=0.0, habitual=habitual
                )
                return self.with_place(clause, 0.3)

    def located(self, tense: Tense) -> Clause:
        """Return a clause without its place, to ask where."""
        verbs = [verb for frame in ("none", "object") for verb in self.verbs[frame] if verb.at]
        return self.clause(tense, verb=self.phrases.pick(verbs), negation=0.0, modal=0.0)

    def deed(self, subject: Phrase, tense: Tense = "present") -> Clause:
        """Return what somebody does on purpose, for an infinitive or a wish."""
        while True:
            verb = self.phrases.pick(self.verbs[self.phrases.pick(_DEEDS)])
            if "human" in verb.subject and not verb.stative and not verb.instant:
                return self.clause(tense, subject, verb, negation=0.0, modal=0.0)


def kinds_of(phrase: Phrase) -> frozenset[str]:
    """Return the kinds of what a phrase refers to; names and pronouns are people."""
    return phrase.noun.kinds if isinstance(phrase, NounPhrase) else frozenset({"human"})


def _nouns(phrase: Phrase) -> tuple[object, ...]:
    return (phrase.noun,) if isinstance(phrase, NounPhrase) else ()
