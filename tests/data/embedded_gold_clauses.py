"""Gold translations of clauses: word order, agreement, case, relative and dependent clauses."""

from __future__ import annotations

from embedded.tree import Clause, NounPhrase, Place, Pronoun, Quality, Relative, Sentence
from embedded_trees import (
    ANNA,
    BE,
    BOOK,
    BOY,
    BUY,
    CALL,
    DRINK,
    EAT,
    HELP,
    JOIN,
    LAMP,
    PAUL,
    READ,
    SHE,
    TEACHER,
    THEY,
    WOMAN,
    adjective,
    at,
    because,
    noun,
    the,
    time,
    verb,
)

CLAUSES: list[tuple[str, Sentence, str, str, str]] = [
    (
        "third person -s",
        Sentence(Clause(TEACHER, READ, object=BOOK, time=time("every day"), habitual=True)),
        "The teacher reads the book every day.",
        "Le professeur lit le livre tous les jours.",
        "Der Lehrer liest jeden Tag das Buch.",
    ),
    (
        "progressive, h elided, an",
        Sentence(Clause(the("man"), READ, object=the("story", adjective("interesting"), word="a"))),
        "The man is reading an interesting story.",
        "L'homme lit une histoire intéressante.",
        "Der Mann liest eine interessante Geschichte.",
    ),
    (
        "do-support in a negation",
        Sentence(Clause(ANNA, BUY, "past", negated=True, object=LAMP)),
        "Anna did not buy the lamp.",
        "Anna n'a pas acheté la lampe.",
        "Anna hat die Lampe nicht gekauft.",
    ),
    (
        "kein and pas de",
        Sentence(Clause(PAUL, DRINK, negated=True, object=NounPhrase(noun("water"), "bare"))),
        "Paul is not drinking any water.",
        "Paul ne boit pas d'eau.",
        "Paul trinkt kein Wasser.",
    ),
    (
        "partitive article",
        Sentence(Clause(SHE, DRINK, object=NounPhrase(noun("coffee"), "bare", adjectives=()))),
        "She is drinking coffee.",
        "Elle boit du café.",
        "Sie trinkt Kaffee.",
    ),
    (
        "do-support in a question",
        Sentence(Clause(ANNA, CALL, "past", object=the("doctor")), question=True),
        "Did Anna call the doctor?",
        "Est-ce qu'Anna a appelé le médecin?",
        "Hat Anna den Arzt angerufen?",
    ),
    (
        "verb second",
        Sentence(
            Clause(TEACHER, BUY, "past", object=LAMP, time=time("yesterday"), time_first=True)
        ),
        "Yesterday, the teacher bought the lamp.",
        "Hier, le professeur a acheté la lampe.",
        "Gestern hat der Lehrer die Lampe gekauft.",
    ),
    (
        "separable verb in a main clause",
        Sentence(Clause(WOMAN, CALL, object=the("student"))),
        "The woman is calling the student.",
        "La femme appelle l'étudiant.",
        "Die Frau ruft den Studenten an.",
    ),
    (
        "separable verb in a verb-final clause",
        Sentence(
            Clause(
                PAUL,
                verb("know", "wissen"),
                conjunction=JOIN["that"],
                content=Clause(WOMAN, CALL, object=BOY),
            )
        ),
        "Paul knows that the woman is calling the boy.",
        "Paul sait que la femme appelle le garçon.",
        "Paul weiß, dass die Frau den Jungen anruft.",
    ),
    (
        "zu inside a separable verb",
        Sentence(
            Clause(
                ANNA, verb("try", "versuchen"), "past", infinitive=Clause(ANNA, CALL, object=BOY)
            )
        ),
        "Anna tried to call the boy.",
        "Anna a essayé d'appeler le garçon.",
        "Anna hat versucht, den Jungen anzurufen.",
    ),
    (
        "purpose",
        Sentence(
            Clause(
                ANNA,
                verb("go", "gehen"),
                "past",
                place=at("market", motion=True),
                purpose=Clause(ANNA, BUY, object=the("apple", plural=True, word="bare")),
            )
        ),
        "Anna went to the market to buy apples.",
        "Anna est allée au marché pour acheter des pommes.",
        "Anna ist auf den Markt gegangen, um Äpfel zu kaufen.",
    ),
    (
        "dative verb and weak noun",
        Sentence(Clause(TEACHER, HELP, object=BOY)),
        "The teacher is helping the boy.",
        "Le professeur aide le garçon.",
        "Der Lehrer hilft dem Jungen.",
    ),
    (
        "dative pronoun, clitic, agreement with it",
        Sentence(Clause(PAUL, HELP, "past", object=SHE)),
        "Paul helped her.",
        "Paul l'a aidée.",
        "Paul hat ihr geholfen.",
    ),
    (
        "relative pronoun in the dative",
        Sentence(
            Clause(
                NounPhrase(
                    noun("woman"),
                    relative=Relative("object", Clause(PAUL, HELP, "past", object=WOMAN)),
                ),
                verb("laugh", "lachen"),
            )
        ),
        "The woman whom Paul helped is laughing.",
        "La femme que Paul a aidée rit.",
        "Die Frau, der Paul geholfen hat, lacht.",
    ),
    (
        "relative clause behind the bracket, French agreement",
        Sentence(
            Clause(
                PAUL,
                verb("break", "zerbrechen"),
                "past",
                object=NounPhrase(
                    noun("lamp"),
                    relative=Relative("object", Clause(ANNA, BUY, "past", object=LAMP)),
                ),
            )
        ),
        "Paul broke the lamp that Anna bought.",
        "Paul a cassé la lampe qu'Anna a achetée.",
        "Paul hat die Lampe zerbrochen, die Anna gekauft hat.",
    ),
    (
        "subject relative clause",
        Sentence(
            Clause(
                NounPhrase(
                    noun("girl"),
                    relative=Relative("subject", Clause(the("girl"), READ, object=BOOK)),
                ),
                BE,
                quality=Quality(adjective("tired")),
            )
        ),
        "The girl who is reading the book is tired.",
        "La fille qui lit le livre est fatiguée.",
        "Das Mädchen, das das Buch liest, ist müde.",
    ),
    (
        "it takes the gender of each language",
        because(
            Clause(ANNA, BUY, "past", object=LAMP),
            Clause(
                Pronoun(antecedent=noun("lamp")),
                BE,
                "past",
                quality=Quality(adjective("beautiful")),
            ),
        ),
        "Anna bought the lamp because it was beautiful.",
        "Anna a acheté la lampe parce qu'elle était belle.",
        "Anna hat die Lampe gekauft, weil sie schön war.",
    ),
    (
        "als and the inversion after a clause",
        Sentence(
            Clause(WOMAN, verb("laugh", "lachen"), "past"),
            conjunction=JOIN["when_past"],
            other=Clause(BOY, verb("arrive", "an|kommen"), "past"),
            other_first=True,
        ),
        "When the boy arrived, the woman laughed.",
        "Quand le garçon est arrivé, la femme a ri.",
        "Als der Junge angekommen ist, hat die Frau gelacht.",
    ),
    (
        "condition, s'il",
        Sentence(
            Clause(THEY, verb("stay", "bleiben"), "future", place=at("kitchen")),
            conjunction=JOIN["if"],
            other=Clause(Pronoun(antecedent=noun("book")), verb("rain", "regnen"), habitual=True),
            other_first=True,
        ),
        "If it rains, they will stay in the kitchen.",
        "S'il pleut, ils resteront dans la cuisine.",
        "Wenn es regnet, werden sie in der Küche bleiben.",
    ),
    (
        "two-way preposition with a motion",
        Sentence(Clause(SHE, verb("put", "stellen"), object=LAMP, place=at("table", "on", True))),
        "She is putting the lamp on the table.",
        "Elle met la lampe sur la table.",
        "Sie stellt die Lampe auf den Tisch.",
    ),
    (
        "two-way preposition with a place",
        Sentence(Clause(LAMP, verb("be", "stehen"), place=at("table", "on"))),
        "The lamp is on the table.",
        "La lampe est sur la table.",
        "Die Lampe steht auf dem Tisch.",
    ),
    (
        "zur, à la",
        Sentence(Clause(the("king"), verb("go", "gehen"), "future", place=at("bank", motion=True))),
        "The king will go to the bank.",
        "Le roi ira à la banque.",
        "Der König wird zur Bank gehen.",
    ),
    (
        "bank of a river",
        Sentence(
            Clause(
                the("dog"),
                verb("sleep", "schlafen"),
                place=Place(NounPhrase(noun("bank", "Ufer"), owner=the("river"))),
            )
        ),
        "The dog is sleeping on the bank of the river.",
        "Le chien dort sur la rive du fleuve.",
        "Der Hund schläft am Ufer des Flusses.",
    ),
    (
        "essen",
        Sentence(Clause(the("child"), EAT, object=the("apple", word="a"))),
        "The child is eating an apple.",
        "L'enfant mange une pomme.",
        "Das Kind isst einen Apfel.",
    ),
    (
        "fressen, vieil",
        Sentence(
            Clause(
                the("donkey", adjective("old")),
                verb("eat", "fressen"),
                object=the("apple", word="a"),
            )
        ),
        "The old donkey is eating an apple.",
        "Le vieil âne mange une pomme.",
        "Der alte Esel frisst einen Apfel.",
    ),
]
