"""Sampling of clauses and sentences: the grammar of what can be said."""

from __future__ import annotations

from collections import defaultdict
from dataclasses import replace
from random import Random

from embedded.entries import Lexicon, Time, Verb
from embedded.phrases import Phrases
from embedded.tree import (
    Clause,
    Name,
    NounPhrase,
    Phrase,
    Place,
    Pronoun,
    Quality,
    QuestionWord,
    Relative,
    Sentence,
    Tense,
)

_SENTENCES = {
    "statement": 34.0,
    "relative": 13.0,
    "reason": 11.0,
    "moment": 10.0,
    "content": 10.0,
    "infinitive": 6.0,
    "coordination": 4.0,
    "passive": 4.0,
    "comparison": 3.0,
    "question": 7.0,
    "asking": 8.0,
}
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
_ACTIVE = ("none", "object", "recipient", "motion", "carry", "put")
_TENSES: dict[str, float] = {"present": 4.0, "past": 4.0, "future": 2.0}


class Sampler:
    """Draws sentence trees from the grammar."""

    def __init__(self, lexicon: Lexicon, rng: Random) -> None:
        """Sort the verbs by frame."""
        self._lexicon = lexicon
        self._phrases = Phrases(lexicon, rng)
        self._chance = self._phrases.chance
        self._pick = self._phrases.pick
        self._verbs: dict[str, list[Verb]] = defaultdict(list)
        for verb in lexicon.verbs:
            self._verbs[verb.frame].append(verb)
        self._times: dict[str, list[Time]] = defaultdict(list)
        for time in lexicon.times:
            self._times[time.tense].append(time)

    def sentence(self) -> Sentence:
        """Return a random sentence."""
        kind = self._phrases.weighted(_SENTENCES)
        builders = {
            "statement": lambda: Sentence(self._statement()),
            "relative": self._relative,
            "reason": self._reason,
            "moment": self._moment,
            "content": self._content,
            "infinitive": self._infinitive,
            "coordination": self._coordination,
            "passive": self._passive,
            "comparison": self._comparison,
            "question": self._question,
            "asking": self._asking,
        }
        return builders[kind]()

    def _tense(self) -> Tense:
        tense = self._phrases.weighted(_TENSES)
        return "past" if tense == "past" else "future" if tense == "future" else "present"

    def _statement(self) -> Clause:
        clause = self._clause(self._tense())
        clause = self._with_circumstances(clause)
        return self._with_place(clause, 0.4)

    def _clause(
        self,
        tense: Tense,
        subject: Phrase | None = None,
        verb: Verb | None = None,
        negation: float = 0.12,
        modal: float = 0.12,
    ) -> Clause:
        """Return a clause; a given subject limits the verb to its kinds."""
        if verb is None:
            verb = self._verb(subject)
        negated = self._chance(negation)
        if subject is None:
            subject = self._phrases.subject(verb.subject, definite=negated or verb.stative)
        if isinstance(subject, NounPhrase) and subject.determiner in ("every", "many", "several"):
            negated = False
        clause = Clause(subject, verb, tense, negated)
        if tense != "future" and not verb.stative and "human" in verb.subject and self._chance(modal):
            modals = self._lexicon.modals
            # "did not have to" and "must not" are no opposites: no past of the first.
            usable = [each for each in modals if not (negated and tense == "past" and each.de_negated)]
            clause = replace(clause, modal=self._pick(usable))
        return self._with_arguments(clause)

    def _verb(self, subject: Phrase | None) -> Verb:
        while True:
            verb = self._pick(self._verbs[self._phrases.weighted(_FRAMES)])
            if subject is None or _agrees(subject, verb):
                return verb

    def _with_arguments(self, clause: Clause) -> Clause:
        verb, phrases, subject = clause.verb, self._phrases, clause.subject
        if verb.object:
            clause = replace(clause, object=self._object(clause))
        if verb.frame == "quality":
            clause = replace(clause, quality=self._quality(subject))
        elif verb.frame == "recipient":
            clause = replace(clause, recipient=self._recipient(subject))
        elif verb.frame == "motion" or verb.frame == "carry":
            clause = replace(clause, place=phrases.place("any", motion=True))
        elif verb.frame == "stay":
            clause = replace(clause, place=phrases.place(verb.at))
        elif verb.frame == "seat":
            clause = replace(clause, place=self._seat())
        elif verb.frame == "put":
            place = phrases.near(["surface", "container", "under"], motion=True)
            clause = replace(clause, place=place)
        elif verb.frame == "position":
            place = phrases.near(["surface", "container", "under", "anchor"], motion=False)
            clause = replace(clause, place=place)
        return clause

    def _seat(self) -> Place:
        on = self._lexicon.prepositions[0]
        return Place(NounPhrase(self._phrases.noun(["seat"])), on, motion=True)

    def _object(self, clause: Clause) -> Phrase:
        """Return an object the verb can have; prepositions and feelings want a definite one."""
        verb = clause.verb
        while True:
            given = self._phrases.object(verb.object, clause.subject, clause.negated)
            if not isinstance(given, NounPhrase):
                return given
            if "instrument" in verb.object and verb.en[0] == "play":
                return NounPhrase(given.noun, "generic")
            if isinstance(clause.subject, NounPhrase) and given.noun == clause.subject.noun:
                continue
            if clause.verb.frame == "object" and not verb.plain or verb.stative:
                if given.determiner in ("a", "bare", *self._lexicon.numerals):
                    continue
            return given

    def _recipient(self, subject: Phrase) -> Phrase:
        while True:
            given = self._phrases.object(["human"], subject)
            if isinstance(given, NounPhrase):
                if given.determiner in ("bare", "many", "several") or given.adjectives:
                    continue
                if isinstance(subject, NounPhrase) and given.noun == subject.noun:
                    continue
            return given

    def _quality(self, subject: Phrase) -> Quality:
        kinds = subject.noun.kinds if isinstance(subject, NounPhrase) else {"human"}
        fitting = [
            each
            for each in self._lexicon.adjectives
            if not kinds.isdisjoint(each.of) and not each.attribute
        ]
        return Quality(self._pick(fitting))

    def _with_circumstances(self, clause: Clause, chance: float = 0.62) -> Clause:
        """Add a time or a frequency, and a manner where the verb has some."""
        verb = clause.verb
        if verb.manner and self._chance(0.3) and not clause.negated:
            fitting = [each for each in self._lexicon.manner if each.en in verb.manner]
            clause = replace(clause, manner=self._pick(fitting))
        if not self._chance(chance):
            return clause
        if clause.tense != "present":
            time = self._pick(self._times[clause.tense])
            return replace(clause, time=time, time_first=self._chance(0.45))
        if verb.stative and verb.frame != "quality":
            return clause
        if clause.negated or clause.modal or verb.frame in ("quality", "position"):
            time = self._pick(self._times["now"])
            return replace(clause, time=time, time_first=self._chance(0.45))
        if self._chance(0.3):
            return replace(clause, frequency=self._pick(self._lexicon.frequency), habitual=True)
        kind = "now" if self._chance(0.35) else "habit"
        time = self._pick(self._times[kind])
        return replace(clause, time=time, time_first=self._chance(0.45), habitual=kind == "habit")

    def _with_place(self, clause: Clause, chance: float) -> Clause:
        if clause.place is None and clause.verb.at and self._chance(chance):
            return replace(clause, place=self._phrases.place(clause.verb.at))
        return clause

    def _relative(self) -> Sentence:
        """Return a sentence with a relative clause on its subject or its object."""
        if self._chance(0.5):
            verb = self._verb(None)
            subject = self._described_subject(verb)
            return Sentence(self._with_circumstances(self._clause(self._tense(), subject, verb), 0.3))
        while True:
            clause = self._clause(self._tense(), negation=0.05)
            given = clause.object
            modified = isinstance(given, NounPhrase) and given.determiner in ("the", "a", "this")
            if clause.verb.plain and clause.verb.frame == "object" and modified:
                break
        if isinstance(given, NounPhrase) and given.owner is None and not clause.negated:
            clause = replace(clause, object=self._restricted(given))
        return Sentence(clause)

    def _described_subject(self, verb: Verb) -> NounPhrase:
        while True:
            subject = self._phrases.subject(verb.subject, definite=True)
            if isinstance(subject, NounPhrase) and subject.determiner in ("the", "this"):
                return self._restricted(replace(subject, adjectives=()))

    def _restricted(self, phrase: NounPhrase) -> NounPhrase:
        """Add a relative clause to a phrase."""
        head = phrase.head()
        if self._chance(0.5) and not phrase.noun.kinds.isdisjoint({"human", "animal"}):
            clause = self._clause(self._tense(), head, negation=0.06, modal=0.0)
            clause = self._with_circumstances(clause, 0.3)
            return replace(phrase, relative=Relative("subject", replace(clause, time_first=False)))
        verbs = [
            verb
            for verb in self._verbs["object"]
            if verb.plain and not phrase.noun.kinds.isdisjoint(verb.object) and "human" in verb.subject
        ]
        if not verbs:
            return phrase
        verb = self._pick(verbs)
        subject = self._phrases.subject(verb.subject, definite=True)
        while isinstance(subject, NounPhrase) and subject.noun == phrase.noun:
            subject = self._phrases.subject(verb.subject, definite=True)
        clause = Clause(subject, verb, self._tense(), object=head)
        clause = self._with_circumstances(replace(clause, manner=None), 0.4)
        return replace(phrase, relative=Relative("object", replace(clause, time_first=False)))

    def _reason(self) -> Sentence:
        """Return a clause and its reason, which may say "it" of the object."""
        tense = self._tense()
        clause = self._clause(tense, negation=0.1)
        clause = self._with_circumstances(clause, 0.3)
        conjunction = self._lexicon.conjunctions["because"]
        thing = clause.object
        if isinstance(thing, NounPhrase) and thing.owner is None and self._chance(0.75):
            reason = self._about(clause, thing)
            if reason is not None:
                return Sentence(clause, conjunction=conjunction, other=reason)
        subject = _again(clause.subject) or self._phrases.subject(["human"], definite=True)
        return Sentence(clause, conjunction=conjunction, other=self._state(subject, tense))

    def _about(self, clause: Clause, thing: NounPhrase) -> Clause | None:
        """Return a clause about a thing just named: "because it is beautiful"."""
        human = not thing.noun.kinds.isdisjoint({"human", "body", "character", "game", "language"})
        fitting = [
            each
            for each in self._lexicon.adjectives
            if not thing.noun.kinds.isdisjoint(each.of) and not each.attribute
        ]
        mass_or_some = thing.determiner in ("bare", "generic")
        if human or not fitting or mass_or_some or clause.negated and thing.determiner == "a":
            return None
        pronoun = Pronoun(plural=thing.plural, antecedent=thing.noun)
        be = self._verbs["quality"][0]
        tense: Tense = "past" if clause.tense == "past" else "present"
        return Clause(pronoun, be, tense, quality=Quality(self._pick(fitting)))

    def _state(self, subject: Phrase, tense: Tense) -> Clause:
        """Return a reason in a person's state or deed."""
        now: Tense = "past" if tense == "past" else "present"
        human = not isinstance(subject, NounPhrase) or "human" in subject.noun.kinds
        if self._chance(0.5) or not human:
            kinds = subject.noun.kinds if isinstance(subject, NounPhrase) else {"human"}
            states = [
                each
                for each in self._lexicon.adjectives
                if each.state and not kinds.isdisjoint(each.of)
            ]
            return Clause(subject, self._verbs["quality"][0], now, quality=Quality(self._pick(states)))
        return self._clause(now, subject, negation=0.15)

    def _moment(self) -> Sentence:
        """Return two clauses joined in time or as a condition."""
        conjunctions = self._lexicon.conjunctions
        kind = self._pick(["when_past", "when_habit", "if", "as_soon_as", "while"])
        first = self._chance(0.5)
        tenses: dict[str, tuple[Tense, Tense]] = {
            "when_past": ("past", "past"),
            "when_habit": ("present", "present"),
            "if": ("future", "present"),
            "as_soon_as": ("past", "past"),
            "while": ("present", "present"),
        }
        main_tense, other_tense = tenses[kind]
        habitual = kind in ("when_habit", "if")
        main = self._clause(main_tense, verb=self._pick(self._verbs[self._pick(_ACTIVE)]), modal=0.0)
        main = replace(main, habitual=kind == "when_habit")
        if habitual and self._chance(0.3):
            other = self._weather(other_tense)
        else:
            verb = self._pick(self._verbs[self._pick(_ACTIVE)])
            while verb.stative:
                verb = self._pick(self._verbs[self._pick(_ACTIVE)])
            other = self._clause(other_tense, verb=verb, negation=0.0, modal=0.0)
        if kind == "if" and self._chance(0.4):
            other = replace(other, time=self._pick(self._times["future"]))
        other = replace(other, habitual=habitual)
        return Sentence(main, conjunction=conjunctions[kind], other=other, other_first=first)

    def _weather(self, tense: Tense) -> Clause:
        # An expletive is "it" in every language, masculine in French and neuter in German.
        noun = next(noun for noun in self._lexicon.nouns if noun.de_gender == "n" and noun.fr_gender == "m")
        return Clause(Pronoun(antecedent=noun), self._pick(self._verbs["weather"]), tense)

    def _content(self) -> Sentence:
        """Return a sentence about what somebody knows, thinks or wonders."""
        verb = self._pick(self._verbs["content"])
        subject = self._phrases.subject(["human"], definite=True)
        key = self._pick(verb.conjunctions)
        if key == "that" and verb.en[0] == "know":
            negated = False
        else:
            negated = verb.en[0] == "know" and self._chance(0.4)
        if verb.en[0] == "know" and negated and key == "that":
            key = "whether"
        tense = self._tense()
        inner = self._clause(tense, negation=0.15)
        if key == "where":
            inner = self._located(tense)
        inner = replace(self._with_circumstances(inner, 0.5), time_first=False)
        conjunction = self._lexicon.conjunctions[key]
        return Sentence(Clause(subject, verb, "present", negated, conjunction=conjunction, content=inner))

    def _located(self, tense: Tense) -> Clause:
        """Return a clause without its place, to ask where."""
        verbs = [verb for frame in ("none", "object") for verb in self._verbs[frame] if verb.at]
        return self._clause(tense, verb=self._pick(verbs), negation=0.0, modal=0.0)

    def _deed(self, subject: Phrase) -> Clause:
        """Return what somebody does on purpose, for an infinitive."""
        while True:
            verb = self._pick(self._verbs[self._pick(_ACTIVE)])
            if "human" in verb.subject and not verb.stative and not verb.de_inverted and not verb.fr_inverted:
                clause = self._clause("present", subject, verb, negation=0.0, modal=0.0)
                return replace(clause, frequency=None)

    def _infinitive(self) -> Sentence:
        """Return a sentence with an infinitive clause or a purpose."""
        tense = self._tense()
        if self._chance(0.55):
            clause = self._clause(tense, verb=self._pick(self._verbs["infinitive"]), modal=0.0)
            clause = replace(clause, infinitive=self._deed(clause.subject))
        else:
            clause = self._clause(tense, verb=self._pick(self._verbs["motion"][:4]), negation=0.0)
            while not _human(clause.subject):
                clause = self._clause(tense, verb=self._pick(self._verbs["motion"][:4]), negation=0.0)
            clause = replace(clause, purpose=self._deed(clause.subject))
        return Sentence(self._with_circumstances(clause, 0.3))

    def _coordination(self) -> Sentence:
        tense = self._tense()
        key = self._pick(["and", "but"])
        first = self._clause(tense, negation=0.1, modal=0.1)
        second = self._clause(tense, negation=0.3 if key == "but" else 0.05, modal=0.1)
        return Sentence(first, conjunction=self._lexicon.conjunctions[key], other=second)

    def _passive(self) -> Sentence:
        while True:
            verb = self._pick([verb for verb in self._verbs["object"] if verb.passive])
            clause = self._clause("past", verb=verb, negation=0.0, modal=0.0)
            definite = isinstance(clause.object, NounPhrase) and clause.object.determiner in ("the", "this")
            if definite and not isinstance(clause.subject, Pronoun):
                break
        clause = replace(self._with_circumstances(clause, 0.7), passive=True, manner=None)
        return Sentence(clause)

    def _comparison(self) -> Sentence:
        while True:
            subject = self._phrases.subject(["human", "building", "vehicle", "animal"], definite=True)
            kinds = subject.noun.kinds if isinstance(subject, NounPhrase) else {"human"}
            fitting = [
                each
                for each in self._lexicon.adjectives
                if each.more and not kinds.isdisjoint(each.of)
            ]
            if fitting:
                break
        kind = ["human"] if "human" in kinds else sorted(kinds & {"building", "vehicle", "animal"})
        other = self._phrases.subject(kind, definite=True, pronouns=False)
        while other == subject:
            other = self._phrases.subject(kind, definite=True, pronouns=False)
        be = self._verbs["quality"][0]
        tense: Tense = "past" if self._chance(0.3) else "present"
        return Sentence(Clause(subject, be, tense, quality=Quality(self._pick(fitting), other)))

    def _question(self) -> Sentence:
        clause = self._clause(self._tense(), negation=0.0)
        clause = replace(self._with_circumstances(clause, 0.5), time_first=False)
        return Sentence(self._with_place(clause, 0.3), question=True)

    def _asking(self) -> Sentence:
        """Return a question with a question word."""
        words: list[QuestionWord] = ["who", "whom", "what", "why", "when", "where"]
        word = self._pick(words)
        tense = self._tense()
        if word == "where":
            return Sentence(self._located(tense), question=True, word=word)
        while True:
            clause = self._clause(tense, negation=0.0, modal=0.05)
            given = clause.object
            human = isinstance(given, NounPhrase) and "human" in given.noun.kinds
            if word == "who" and "human" in clause.verb.subject and not clause.verb.de_inverted:
                if clause.verb.fr_inverted or clause.verb.frame in ("quality", "position"):
                    continue
                clause = replace(clause, subject=Pronoun())
                if not _mentions_possessive(clause):
                    break
            if word == "whom" and clause.verb.plain and clause.verb.frame == "object" and human:
                break
            if word == "what" and clause.verb.plain and clause.verb.frame == "object":
                if isinstance(given, NounPhrase) and not human:
                    break
            if word == "why" or word == "when" and clause.tense != "present":
                break
        if word in ("whom", "what", "who") or word == "why":
            clause = replace(self._with_circumstances(clause, 0.5), time_first=False, manner=None)
        return Sentence(clause, question=True, word=word)


def _human(phrase: Phrase) -> bool:
    return not isinstance(phrase, NounPhrase) or "human" in phrase.noun.kinds


def _agrees(subject: Phrase, verb: Verb) -> bool:
    """Whether a given subject can be the subject of this verb."""
    if isinstance(subject, NounPhrase):
        return not subject.noun.kinds.isdisjoint(verb.subject)
    return "human" in verb.subject


def _again(subject: Phrase) -> Phrase | None:
    """Return the pronoun that takes a subject up again, if its gender is clear."""
    if isinstance(subject, Pronoun):
        return subject
    if isinstance(subject, Name):
        return Pronoun(gender=subject.gender)
    if "human" not in subject.noun.kinds or subject.noun.sex == "none":
        return None
    if subject.determiner == "every":
        return None
    return Pronoun(plural=subject.plural, gender="f" if subject.noun.sex == "f" else "m")


def _mentions_possessive(clause: Clause) -> bool:
    """Whether a possessive refers to the person asked for."""
    given = clause.object
    return isinstance(given, NounPhrase) and given.determiner in ("his", "her", "their")
