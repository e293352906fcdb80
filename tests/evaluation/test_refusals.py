from pathlib import Path

import pytest

from moe_nmt.errors import UserError
from moe_nmt.evaluation.refusals import (
    looks_tokenized,
    refuse_empty,
    refuse_other_length,
    refuse_other_text,
    refuse_subwords,
    refuse_tokenized,
    refuse_tokenized_on_one_side,
)

FILE, OTHER = Path("hypothesis.de"), Path("test.de")
GERMAN = ["Er sagte: „Nein, 3,5 km!“", "Das ist gut.", "Die AT&T-Aktie fiel (um 2 %).", "Ja"]
FRENCH = ["« Qu'est-ce que c'est ? » dit-il .", "C'est l'été, n'est-ce pas ?", "Oui, bien sûr."]
TOKENIZED = ["Das ist gut .", "Nein , das ist es nicht .", "Ja", "Wer ?", "Die Web @-@ Seite"]
ESCAPED = ["C &apos; est l&apos; été", "oui", "non"]


def refusal(function: object, *arguments: object) -> str:
    assert callable(function)
    with pytest.raises(UserError) as stop:
        function(*arguments)
    return str(stop.value)


@pytest.mark.parametrize("lines", [GERMAN, FRENCH, [], ["", ""], ["so ..."]])
def test_text_passes(lines: list[str]) -> None:
    assert not looks_tokenized(lines)
    refuse_tokenized(FILE, lines)
    refuse_subwords(FILE, lines, lines)


@pytest.mark.parametrize(
    "lines", [TOKENIZED, ESCAPED, ["Gut .", "Ja", "Wer ?"], ["Web @-@ Seite"] + ["x"] * 9]
)
def test_tokens_are_refused(lines: list[str]) -> None:
    assert refusal(refuse_tokenized, FILE, lines) == (
        "hypothesis.de looks tokenised, and sacreBLEU is for text: undo the tokens, "
        "Moses' by moe-nmt-subword detokenize, or give hypotheses and references tokenised alike "
        "with --tokenizer none for multi-bleu alone"
    )


def test_a_stray_mark_is_the_texts_own() -> None:
    refuse_tokenized(FILE, ["AT&amp;T .", *["Das ist gut."] * 30])


def test_both_sides_are_tokenized_or_none() -> None:
    refuse_tokenized_on_one_side(FILE, TOKENIZED, OTHER, TOKENIZED)
    refuse_tokenized_on_one_side(FILE, GERMAN, OTHER, GERMAN)
    end = "--tokenizer none wants both tokenised alike"
    assert refusal(refuse_tokenized_on_one_side, FILE, TOKENIZED, OTHER, GERMAN) == (
        f"hypothesis.de looks tokenised and test.de does not: {end}"
    )
    assert refusal(refuse_tokenized_on_one_side, FILE, GERMAN, OTHER, TOKENIZED) == (
        f"test.de looks tokenised and hypothesis.de does not: {end}"
    )


@pytest.mark.parametrize(
    ("line", "remedy"),
    [
        ("▁Zwei ▁Bä lle", "moe-nmt-subword undo"),
        ("Zwei Bä@@ lle", "sed -E 's/@@( |$)//g'"),
        ("Zwei Bä@@", "--post-process subword_nmt"),  # what sed 's/@@ //g' leaves behind
    ],
)
def test_subwords_are_refused(line: str, remedy: str) -> None:
    message = refusal(refuse_subwords, FILE, [*GERMAN, line], GERMAN)
    assert message.startswith(
        f"hypothesis.de has subwords left in, first in line 5 ({line!r}): "
        "put its words together by "
    )
    assert remedy in message
    assert "subwords" in refusal(refuse_subwords, OTHER, [line])


def test_marks_that_the_reference_has_too_are_the_texts() -> None:
    odd = "a chart: ▁▂▃ and an address: me@@ home"
    refuse_subwords(FILE, [odd, *GERMAN], [odd, *GERMAN])
    refuse_subwords(OTHER, [odd] + GERMAN * 10)


def test_counts_and_emptiness() -> None:
    refuse_empty(FILE, ["", "x"])
    assert refusal(refuse_empty, FILE, []) == ("hypothesis.de is empty: was it written to the end?")
    assert "is empty" in refusal(refuse_empty, FILE, ["", " \u00a0"])
    refuse_other_length(FILE, ["a"], OTHER, ["b"])
    assert refusal(refuse_other_length, FILE, ["a"], OTHER, ["b", "c"]) == (
        "hypothesis.de has 1 lines but test.de has 2: they are not of the same "
        "sentences; translate the whole file again"
    )


def test_the_references_that_fairseq_read_are_those_given() -> None:
    read = ['er sagte : " nein , 3,5 <<unk>> ! "', "das ist gut .", "", "ja"]
    refuse_other_text(FILE, read, OTHER, GERMAN)
    refuse_other_text(FILE, [""] * 4, OTHER, GERMAN)  # it had none
    refuse_other_text(FILE, [line.upper() for line in GERMAN], OTHER, GERMAN)
    rare = ["Er sagte: <<unk>> <<unk>> <<unk>>", "<<unk>> ist <<unk>>", *GERMAN[2:]]
    refuse_other_text(FILE, rare, OTHER, GERMAN)
    message = refusal(refuse_other_text, FILE, read, OTHER, [*GERMAN[1:], GERMAN[0]])
    assert message.startswith(
        "hypothesis.de and test.de are not of the same sentences: the references that "
        "fairseq read are others (chrF2 "
    )
