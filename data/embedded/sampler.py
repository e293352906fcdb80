"""Sampling of sentences: statements, questions, relative, subordinate and infinitive clauses."""

from __future__ import annotations

from dataclasses import replace
from random import Random

from embedded.clauses import Clauses, kinds_of
from embedded.entries import Lexicon, Verb
from embedded.tree import (
    Clause,
    Name,
    NounPhrase,
    Phrase,
    Pronoun,
    Quality,
    QuestionWord,
    Relative,
    Sentence,
    Tense,
)

_SENTENCES = {
    "statement": 25.0,
    "relative": 18.0,
    "reason": 14.0,
    "moment": 14.0,
    "content": 11.0,
    "infinitive": 8.0,
    "coordination": 4.0,
    "passive": 4.0,
    "comparison": 2.5,
    "question": 6.0,
    "asking": 7.0,
}
_QUESTION_WORDS: tuple[QuestionWord, ...] = ("who", "whom", "what", "why", "when", "where")
# The tenses of the main and of the other clause.
_MOMENTS: dict[str, tuple[Tense, Tense]] = {
    "when_past": ("past", "past"),
    "when_habit": ("present", "present"),
    "if": ("future", "present"),
    "as_soon_as": ("past", "past"),
    "while": ("present", "present"),
}


class Sampler:
    """Draws sentence trees from the grammar."""

    def __init__(self, lexicon: Lexicon, rng: Random) -> None:
        """Keep the lexicon and the source of randomness."""
        self._lexicon = lexicon
        self._clauses = Clauses(lexicon, rng)
        self._phrases = self._clauses.phrases
        self._be = self._clauses.verbs["quality"][0]
        self._builders = {
            "statement": self._statement,
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

    def sentence(self) -> Sentence:
        """Return a random sentence."""
        return self._builders[self._phrases.weighted(_SENTENCES)]()

    def _statement(self) -> Sentence:
        clauses = self._clauses
        clause = clauses.with_circumstances(clauses.clause(clauses.tense()), 0.65)
        return Sentence(clauses.with_place(clause, 0.5))

    def _relative(self) -> Sentence:
        """Return a sentence with a relative clause on its subject or its object."""
        clauses = self._clauses
        if self._phrases.chance(0.5):
            verb = clauses.verb()
            clause = clauses.clause(clauses.tense(), self._described_subject(verb), verb)
            return Sentence(clauses.with_circumstances(clause, 0.4))
        while True:
            clause = clauses.clause(clauses.tense(), negation=0.0)
            given = clause.object
            if not clause.verb.plain or clause.verb.frame != "object":
                continue
            if isinstance(given, NounPhrase) and given.determiner in ("the", "a", "this"):
                break
        if given.owner is None:
            clause = replace(clause, object=self._restricted(given, clause.verb))
        return Sentence(clause)

    def _described_subject(self, verb: Verb) -> NounPhrase:
        while True:
            subject = self._phrases.subject(verb.subject, definite=True)
            if isinstance(subject, NounPhrase) and subject.determiner in ("the", "this"):
                return self._restricted(replace(subject, adjectives=()), verb)

    def _restricted(self, phrase: NounPhrase, besides: Verb) -> NounPhrase:
        """Add a relative clause with another verb to a phrase."""
        clauses, head, kinds = self._clauses, phrase.head(), phrase.noun.kinds
        tense = clauses.tense()
        if kinds & {"human", "animal"} and self._phrases.chance(0.5):
            verb = clauses.verb(head)
            while verb == besides:
                verb = clauses.verb(head)
            clause = clauses.clause(tense, head, verb, negation=0.06, modal=0.0)
            clause = clauses.with_circumstances(clause, 0.3)
            return replace(phrase, relative=Relative("subject", replace(clause, time_first=False)))
        verbs = [
            verb
            for verb in clauses.verbs["object"]
            if verb.plain
            and verb != besides
            and "human" in verb.subject
            and not kinds.isdisjoint(verb.object)
        ]
        if not verbs:
            return phrase
        verb = self._phrases.pick(verbs)
        subject = self._phrases.subject(verb.subject, definite=True)
        while isinstance(subject, NounPhrase) and subject.noun == phrase.noun:
            subject = self._phrases.subject(verb.subject, definite=True)
        clause = Clause(subject, verb, "past" if verb.instant else tense, object=head)
        clause = replace(clauses.with_circumstances(clause, 0.4), time_first=False)
        return replace(phrase, relative=Relative("object", clause))

    def _reason(self) -> Sentence:
        """Return a clause and its reason, which may say "it" of the object."""
        clauses = self._clauses
        while True:
            clause = clauses.clause(clauses.tense(), negation=0.1)
            if "human" in kinds_of(clause.subject) and clause.quality is None:
                break
        if isinstance(clause.subject, NounPhrase):
            clause = replace(clause, subject=replace(clause.subject, adjectives=()))
        clause = clauses.with_circumstances(clause, 0.6)
        reason = self._about(clause) if self._phrases.chance(0.75) else None
        if reason is None:
            subject = _again(clause.subject) or self._phrases.subject(["human"], definite=True)
            reason = self._state(subject, clause.tense)
        return Sentence(clause, conjunction=self._lexicon.conjunctions["because"], other=reason)

    def _about(self, clause: Clause) -> Clause | None:
        """Return a clause about the thing just named, "because it is beautiful", if it can be."""
        thing = clause.object
        if not isinstance(thing, NounPhrase) or thing.owner is not None:
            return None
        # Another adjective could contradict the first: an old coat because it is new.
        described = any(not adjective.colour for adjective in thing.adjectives)
        vague = thing.determiner in ("bare", "generic") or (
            clause.negated and thing.determiner == "a"
        )
        if described or vague or thing.noun.kinds & {"human", "body", "character"}:
            return None
        fitting = [each for each in self._clauses.qualities(thing.noun.kinds) if not each.colour]
        if not fitting:
            return None
        it = Pronoun(plural=thing.plural, antecedent=thing.noun)
        tense: Tense = "past" if clause.tense == "past" else "present"
        return Clause(it, self._be, tense, quality=Quality(self._phrases.pick(fitting)))

    def _state(self, subject: Phrase, tense: Tense) -> Clause:
        """Return a reason in a person's state or wish."""
        tense = "past" if tense == "past" else "present"
        if self._phrases.chance(0.5):
            states = self._clauses.qualities(kinds_of(subject), state=True)
            return Clause(subject, self._be, tense, quality=Quality(self._phrases.pick(states)))
        _, *wishes = self._lexicon.modals
        return replace(self._clauses.deed(subject, tense), modal=self._phrases.pick(wishes))

    def _moment(self) -> Sentence:
        """Return two clauses joined in time or as a condition."""
        kind = self._phrases.pick(list(_MOMENTS))
        main_tense, other_tense = _MOMENTS[kind]
        habitual = kind in ("when_habit", "if")
        main = self._clauses.event(main_tense, kind == "when_habit", negation=0.1)
        if habitual and self._phrases.chance(0.3):
            verb = self._phrases.pick(self._clauses.verbs["weather"])
            # The subject of the weather is "it": masculine in French, neuter in German.
            expletive = next(each for each in self._lexicon.nouns if each.en == "book")
            other = Clause(Pronoun(antecedent=expletive), verb, other_tense, habitual=True)
        else:
            other = self._clauses.event(other_tense, habitual, negation=0.0)
        times = self._clauses.times
        if kind == "if" and self._phrases.chance(0.4):
            other = replace(other, time=self._phrases.pick(times["future"]))
        if main_tense == "past" and self._phrases.chance(0.35):
            main = replace(main, time=self._phrases.pick(times["past"]))
        conjunction = self._lexicon.conjunctions[kind]
        return Sentence(
            main, conjunction=conjunction, other=other, other_first=self._phrases.chance(0.5)
        )

    def _content(self) -> Sentence:
        """Return a sentence about what somebody knows, thinks or wonders."""
        clauses = self._clauses
        verb = self._phrases.pick(clauses.verbs["content"])
        subject = self._phrases.subject(["human"], definite=True)
        key = self._phrases.pick(verb.conjunctions)
        negated = key != "that" and verb.en[0] == "know" and self._phrases.chance(0.6)
        if isinstance(subject, NounPhrase) and subject.determiner == "every":
            negated = False
        tense = clauses.tense()
        if key == "where":
            content = clauses.located(tense)
        else:
            content = clauses.with_place(clauses.clause(tense, negation=0.15), 0.3)
        content = replace(clauses.with_circumstances(content, 0.5), time_first=False)
        conjunction = self._lexicon.conjunctions[key]
        return Sentence(
            Clause(subject, verb, negated=negated, conjunction=conjunction, content=content)
        )

    def _infinitive(self) -> Sentence:
        """Return a sentence with an infinitive clause or a purpose."""
        clauses, tense = self._clauses, self._clauses.tense()
        if self._phrases.chance(0.55):
            verb = self._phrases.pick(clauses.verbs["infinitive"])
            clause = clauses.clause(tense, verb=verb, modal=0.0)
            clause = replace(clause, infinitive=clauses.deed(clause.subject))
        else:
            verb = self._phrases.pick(clauses.verbs["motion"])
            subject = self._phrases.subject(["human"])
            clause = clauses.clause(tense, subject, verb, negation=0.0)
            clause = replace(clause, purpose=clauses.deed(subject))
        return Sentence(replace(clauses.with_circumstances(clause, 0.45), time_first=True))

    def _coordination(self) -> Sentence:
        clauses, tense = self._clauses, self._clauses.tense()
        key = self._phrases.pick(["and", "but"])
        first = clauses.clause(tense, negation=0.1)
        second = clauses.clause(tense, negation=0.3 if key == "but" else 0.05)
        return Sentence(first, conjunction=self._lexicon.conjunctions[key], other=second)

    def _passive(self) -> Sentence:
        clauses = self._clauses
        verbs = [verb for verb in clauses.verbs["object"] if verb.passive]
        while True:
            verb = self._phrases.pick(verbs)
            clause = clauses.clause("past", verb=verb, negation=0.0, modal=0.0)
            given = clause.object
            definite = isinstance(given, NounPhrase) and given.determiner in ("the", "this")
            if definite and not isinstance(clause.subject, Pronoun):
                break
        return Sentence(replace(clauses.with_circumstances(clause, 0.7), passive=True, manner=None))

    def _comparison(self) -> Sentence:
        phrases = self._phrases
        kind = [phrases.pick(["human", "human", "building", "vehicle", "animal"])]
        subject = phrases.subject(kind, definite=True)
        other = phrases.subject(kind, definite=True, pronouns=False)
        while other == subject:
            other = phrases.subject(kind, definite=True, pronouns=False)
        shared = kinds_of(subject) & kinds_of(other)
        fitting = [each for each in self._clauses.qualities(shared) if each.more]
        tense: Tense = "past" if phrases.chance(0.3) else "present"
        return Sentence(
            Clause(subject, self._be, tense, quality=Quality(phrases.pick(fitting), other))
        )

    def _question(self) -> Sentence:
        clauses = self._clauses
        clause = clauses.clause(clauses.tense(), negation=0.0)
        while not _definite(clause.subject):
            clause = clauses.clause(clauses.tense(), negation=0.0)
        clause = replace(clauses.with_circumstances(clause, 0.6), time_first=False)
        return Sentence(clauses.with_place(clause, 0.3), question=True)

    def _asking(self) -> Sentence:
        """Return a question with a question word."""
        clauses, word = self._clauses, self._phrases.pick(_QUESTION_WORDS)
        tense = clauses.tense()
        if word == "where":
            return Sentence(clauses.located(tense), question=True, word=word)
        if word == "when" and tense == "present":
            tense = "future"
        while True:
            clause = _asked(clauses.clause(tense, negation=0.0, modal=0.05), word)
            if clause is not None:
                break
        if word != "when":
            clause = clauses.with_circumstances(clause, 0.5)
        return Sentence(replace(clause, time_first=False, manner=None), question=True, word=word)


def _asked(clause: Clause, word: QuestionWord) -> Clause | None:
    """Return the clause with what the word asks for left open, or nothing if it cannot be."""
    verb, given = clause.verb, clause.object
    if not _definite(clause.subject):
        return None
    # What is asked for is masculine and singular, whatever the answer.
    if word == "who":
        possessive = isinstance(given, NounPhrase) and given.determiner in ("his", "her", "their")
        odd = verb.fr_inverted or verb.de_inverted or verb.frame in ("quality", "position")
        usable = "human" in verb.subject and not possessive and not odd
        return replace(clause, subject=Pronoun()) if usable else None
    if word in ("whom", "what"):
        human = given is not None and "human" in kinds_of(given)
        plain = verb.plain and verb.frame == "object" and given is not None
        return replace(clause, object=Pronoun()) if plain and human == (word == "whom") else None
    return clause


def _definite(phrase: Phrase) -> bool:
    return not isinstance(phrase, NounPhrase) or phrase.determiner in ("the", "this", "my", "our")


def _again(subject: Phrase) -> Phrase | None:
    """Return the pronoun that takes a subject up again, if its gender is clear."""
    if isinstance(subject, Pronoun):
        return subject
    if isinstance(subject, Name):
        return Pronoun(gender=subject.gender)
    if subject.noun.sex == "none" or subject.determiner == "every":
        return None
    return Pronoun(plural=subject.plural, gender="f" if subject.noun.sex == "f" else "m")
