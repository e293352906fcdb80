"""Gold translations of words: adjectives, contexts, modals, structures, questions."""

from __future__ import annotations

from embedded.tree import Clause, NounPhrase, Pronoun, Quality, Sentence
from embedded_trees import (
    ANNA,
    BE,
    BOOK,
    BOY,
    BUY,
    CALL,
    CAN,
    DEPART,
    DRINK,
    EAT,
    HE,
    HELP,
    JOIN,
    LEAVE_FOR_GOOD,
    MUST,
    NEVER,
    PAUL,
    PLAY_GAME,
    PLAY_MUSIC,
    READ,
    SEE,
    SHE,
    THEY,
    WANT,
    WELL,
    adjective,
    because,
    noun,
    the,
    verb,
)

WORDS: list[tuple[str, Sentence, str, str, str]] = [
    (
        "ancien before",
        Sentence(Clause(the("teacher", adjective("former")), verb("sing", "singen"))),
        "The former teacher is singing.",
        "L'ancien professeur chante.",
        "Der ehemalige Lehrer singt.",
    ),
    (
        "ancien behind, kennen",
        Sentence(
            Clause(
                HE, verb("know", "kennen"), object=the("castle", adjective("ancient"), word="this")
            )
        ),
        "He knows this ancient castle.",
        "Il connaît ce château ancien.",
        "Er kennt dieses uralte Schloss.",
    ),
    (
        "adjective order, mixed declension",
        Sentence(
            Clause(
                ANNA,
                BUY,
                "past",
                object=the("dress", adjective("beautiful"), adjective("red"), word="a"),
            )
        ),
        "Anna bought a beautiful red dress.",
        "Anna a acheté une belle robe rouge.",
        "Anna hat ein schönes rotes Kleid gekauft.",
    ),
    (
        "de before an adjective, strong declension",
        Sentence(
            Clause(
                PAUL,
                BUY,
                "past",
                object=the("flower", adjective("beautiful"), word="bare", plural=True),
            )
        ),
        "Paul bought beautiful flowers.",
        "Paul a acheté de belles fleurs.",
        "Paul hat schöne Blumen gekauft.",
    ),
    (
        "light of weight",
        Sentence(Clause(the("bag"), BE, quality=Quality(adjective("light", "leicht")))),
        "The bag is light.",
        "Le sac est léger.",
        "Die Tasche ist leicht.",
    ),
    (
        "light of rooms",
        Sentence(Clause(the("kitchen"), BE, quality=Quality(adjective("light", "hell")))),
        "The kitchen is light.",
        "La cuisine est claire.",
        "Die Küche ist hell.",
    ),
    (
        "play an instrument",
        Sentence(Clause(SHE, PLAY_MUSIC, object=NounPhrase(noun("piano"), "generic"), manner=WELL)),
        "She is playing the piano well.",
        "Elle joue bien du piano.",
        "Sie spielt gut Klavier.",
    ),
    (
        "play a game",
        Sentence(Clause(THEY, PLAY_GAME, object=NounPhrase(noun("chess"), "generic"))),
        "They are playing chess.",
        "Ils jouent aux échecs.",
        "Sie spielen Schach.",
    ),
    (
        "letter of the alphabet",
        Sentence(
            Clause(
                PAUL,
                verb("draw", "zeichnen"),
                object=NounPhrase(noun("letter", "Buchstabe"), "a", owner=the("alphabet")),
            )
        ),
        "Paul is drawing a letter of the alphabet.",
        "Paul dessine une lettre de l'alphabet.",
        "Paul zeichnet einen Buchstaben des Alphabets.",
    ),
    (
        "leave a place",
        Sentence(Clause(HE, LEAVE_FOR_GOOD, "past", object=the("house"))),
        "He left the house.",
        "Il a quitté la maison.",
        "Er hat das Haus verlassen.",
    ),
    (
        "a train leaves",
        Sentence(Clause(the("train"), DEPART, "past", negated=True)),
        "The train did not leave.",
        "Le train n'est pas parti.",
        "Der Zug ist nicht abgefahren.",
    ),
    (
        "right hand",
        Sentence(
            Clause(
                the("doctor"),
                verb("examine", "untersuchen"),
                object=NounPhrase(
                    noun("hand"), adjectives=(adjective("right", "recht"),), owner=the("child")
                ),
            )
        ),
        "The doctor is examining the child's right hand.",
        "Le médecin examine la main droite de l'enfant.",
        "Der Arzt untersucht die rechte Hand des Kindes.",
    ),
    (
        "right answer",
        Sentence(
            Clause(
                SHE,
                verb("find", "finden"),
                "past",
                object=the("answer", adjective("right", "richtig")),
            )
        ),
        "She found the right answer.",
        "Elle a trouvé la bonne réponse.",
        "Sie hat die richtige Antwort gefunden.",
    ),
    (
        "must not",
        Sentence(Clause(BOY, CALL, negated=True, modal=MUST, object=the("hero"))),
        "The boy must not call the hero.",
        "Le garçon ne doit pas appeler le héros.",
        "Der Junge darf den Helden nicht anrufen.",
    ),
    (
        "modal in the past",
        Sentence(Clause(SHE, SEE, "past", modal=WANT, object=the("queen"))),
        "She wanted to see the queen.",
        "Elle voulait voir la reine.",
        "Sie wollte die Königin sehen.",
    ),
    (
        "cannot",
        Sentence(Clause(HE, HELP, negated=True, modal=CAN, object=Pronoun(1))),
        "He cannot help me.",
        "Il ne peut pas m'aider.",
        "Er kann mir nicht helfen.",
    ),
    (
        "two objects, dative plural",
        Sentence(
            Clause(
                ANNA,
                verb("give", "geben"),
                "past",
                object=the("cake", word="a"),
                recipient=the("child", plural=True),
            )
        ),
        "Anna gave a cake to the children.",
        "Anna a donné un gâteau aux enfants.",
        "Anna hat den Kindern einen Kuchen gegeben.",
    ),
    (
        "reflexive verb",
        Sentence(Clause(the("singer"), verb("rest", "aus|ruhen"), "past")),
        "The singer rested.",
        "La chanteuse s'est reposée.",
        "Die Sängerin hat sich ausgeruht.",
    ),
    (
        "French turns round",
        Sentence(Clause(ANNA, verb("miss", "vermissen"), object=the("brother", word="her"))),
        "Anna misses her brother.",
        "Son frère manque à Anna.",
        "Anna vermisst ihren Bruder.",
    ),
    (
        "German turns round",
        Sentence(Clause(PAUL, verb("like", "gefallen"), object=the("picture"))),
        "Paul likes the picture.",
        "Paul aime bien le tableau.",
        "Das Bild gefällt Paul.",
    ),
    (
        "never",
        Sentence(
            Clause(
                HE, DRINK, object=NounPhrase(noun("milk"), "bare"), frequency=NEVER, habitual=True
            )
        ),
        "He never drinks milk.",
        "Il ne boit jamais de lait.",
        "Er trinkt nie Milch.",
    ),
    (
        "passive",
        Sentence(
            Clause(
                the("engineer"), verb("build", "bauen"), "past", passive=True, object=the("church")
            )
        ),
        "The church was built by the engineer.",
        "L'église a été construite par l'ingénieur.",
        "Die Kirche wurde vom Ingenieur gebaut.",
    ),
    (
        "idiom",
        because(
            Clause(THEY, EAT, object=the("soup")),
            Clause(THEY, BE, quality=Quality(adjective("hungry"))),
        ),
        "They are eating the soup because they are hungry.",
        "Ils mangent la soupe parce qu'ils ont faim.",
        "Sie essen die Suppe, weil sie hungrig sind.",
    ),
    (
        "kein and a noun of feeling",
        Sentence(Clause(SHE, verb("be", "Angst"), negated=True, object=the("bear"))),
        "She is not afraid of the bear.",
        "Elle n'a pas peur de l'ours.",
        "Sie hat keine Angst vor dem Bären.",
    ),
    (
        "question for the object",
        Sentence(Clause(ANNA, BUY, "past", object=HE), question=True, word="what"),
        "What did Anna buy?",
        "Qu'est-ce qu'Anna a acheté?",
        "Was hat Anna gekauft?",
    ),
    (
        "question for the subject",
        Sentence(Clause(HE, READ, object=BOOK), question=True, word="who"),
        "Who is reading the book?",
        "Qui lit le livre?",
        "Wer liest das Buch?",
    ),
    (
        "comparison",
        Sentence(Clause(ANNA, BE, quality=Quality(adjective("tall"), the("hedgehog")))),
        "Anna is taller than the hedgehog.",
        "Anna est plus grande que le hérisson.",
        "Anna ist größer als der Igel.",
    ),
    (
        "coordination, aber",
        Sentence(
            Clause(ANNA, verb("laugh", "lachen")),
            conjunction=JOIN["but"],
            other=Clause(HE, verb("cry", "weinen")),
        ),
        "Anna is laughing, but he is crying.",
        "Anna rit, mais il pleure.",
        "Anna lacht, aber er weint.",
    ),
]
