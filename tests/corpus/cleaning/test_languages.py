"""Sentences in another language than theirs: found where it is sure, else left alone."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from moe_nmt.corpus.cleaning.clean import FILTERS, Cleaner, clean
from moe_nmt.corpus.cleaning.languages import LEAST_BYTES, Languages
from moe_nmt.errors import UserError

SENTENCES = {
    "en": "The committee approved the report without further debate.",
    "de": "Der Ausschuss hat den Bericht ohne weitere Aussprache angenommen.",
    "fr": "La commission a adopté le rapport sans autre débat.",
    "es": "La comisión aprobó el informe sin más debate.",
    "ru": "Комитет принял доклад без дальнейших прений.",
    "zh": "委员会未经进一步辩论就通过了该报告。",
}
UNSURE = [
    "New York, San Francisco, Los Angeles",
    "Jean-Claude Juncker, José Manuel Barroso, Romano Prodi",
    "Château Mouton Rothschild, Pauillac, Bordeaux 1982",
    "Volkswagen Golf GTI 2.0",
    "A5-0001/2001 B5-0123/2000 C5-0456/2000",
    "12/03/2004, 13/03/2004, 14/03/2004",
    "http://www.europarl.europa.eu/plenary",
    "...",
]


@pytest.fixture
def english_german() -> Languages:
    pytest.importorskip("eldc")
    return Languages(("en", "de"))


def test_other_languages_are_found(english_german: Languages) -> None:
    for expected in ("en", "de"):
        for language, sentence in SENTENCES.items():
            assert english_german.is_wrong(sentence, expected) == (language != expected)
    english, german = SENTENCES["en"], SENTENCES["de"]
    assert english_german.are_right([english, german])
    for pair in ([german, german], [english, english], [german, english]):
        assert not english_german.are_right(pair)


def test_what_is_not_sure_stays(english_german: Languages) -> None:
    for code in ("en", "de"):
        assert not [sentence for sentence in UNSURE if english_german.is_wrong(sentence, code)]


def test_short_sentences_stay(english_german: Languages) -> None:
    short = "Ich weiß es nicht."
    assert len(short.encode()) == LEAST_BYTES - 1
    assert not english_german.is_wrong(short, "en")
    assert english_german.is_wrong("Ich weiß es nicht mehr.", "en")


def test_close_languages_are_not_told_apart() -> None:
    """The model calls this Danish, which Norwegian hardly differs from."""
    pytest.importorskip("eldc")
    norwegian = Languages(("no", "da"))
    sentence = "Jeg vil gerne takke ordføreren for betænkningen."
    found = norwegian.model.detect_details(sentence)
    assert (found.language, found.reliable) == ("da", True)
    assert norwegian.are_right([sentence, sentence])
    assert norwegian.is_wrong(sentence, "de")


def test_names_of_languages() -> None:
    pytest.importorskip("eldc")
    assert Languages(("pt_BR", "EN")).codes == ["pt", "en"]
    with pytest.raises(UserError, match=r"--identify-languages does not know src, only am, ar, "):
        Languages(("en", "src"))


def test_without_the_package(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "eldc", None)
    with pytest.raises(UserError, match="needs the package eldc: pip install eldc, or leave the"):
        Languages(("en", "de"))


@pytest.mark.parametrize("workers", [1, 2])
def test_they_are_counted(workers: int, english_german: Languages, tmp_path: Path) -> None:
    texts = tmp_path / "a.en", tmp_path / "a.de"
    texts[0].write_text(f"{SENTENCES['en']}\n{SENTENCES['fr']}\n{SENTENCES['en']}\nYes.\n")
    texts[1].write_text(f"{SENTENCES['de']}\n{SENTENCES['de']}\n{SENTENCES['es']}\nNein.\n")
    cleaner = Cleaner(100, 1000, 2.0, (frozenset(), frozenset()), english_german)
    outputs = tmp_path / "en", tmp_path / "de", tmp_path / "digests"
    counts = clean("a", texts, outputs[:2], outputs[2], cleaner, workers)
    taken = {**dict.fromkeys(FILTERS, 0), "language": 2}
    assert counts == {"pairs": 4, **taken, "copied": 0, "left": 2}
    assert outputs[0].read_text() == f"{SENTENCES['en']}\nYes.\n"
    assert outputs[1].read_text() == f"{SENTENCES['de']}\nNein.\n"
