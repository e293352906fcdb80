"""The filters of training pairs, each on its own."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from moe_nmt.corpus.cleaning.clean import DIGEST_SIZE, FILTERS, Cleaner, clean
from moe_nmt.corpus.cleaning.held_out import held_out_sentences, letters
from moe_nmt.corpus.cleaning.normalise import normalise
from moe_nmt.errors import UserError

NOTHING: tuple[frozenset[str], frozenset[str]] = (frozenset(), frozenset())
HELD_OUT = (frozenset({letters("The “known” one.")}), frozenset({letters("Le connu.")}))
CLEANER = Cleaner(max_words=6, max_characters=40, max_ratio=1.5, held_out=HELD_OUT)


@pytest.mark.parametrize(
    ("source", "target", "objection"),
    [
        (b"a b c", b"d e", None),
        (b"a b c d", b"e f g h i j", None),  # 6 words, ratio 1.5: just right
        (b"a b c d e f g", b"a b c d e f", "too long"),
        (b"a b c d e f", b"a b c d e f g", "too long"),
        (b"a" * 41, b"b", "too long"),
        (b"a", b"b" * 41, "too long"),
        (b"a b", b"c d e f", "ratio"),
        ("她在花园里种花".encode(), b"She plants flowers now", None),  # 7 characters: 4 words
        ("她在花园里种花".encode(), b"Yes", "ratio"),
        (b"c d e f", b"a b", "ratio"),
        (b"\xff", b"a", "not UTF-8"),
        (b"a", b"\xed\xa0\x80", "not UTF-8"),  # a surrogate
        (b" \t", b"a", "empty"),
        (b"a", "\ufeff\u2028".encode(), "empty"),
        (b"\xff", b"", "not UTF-8"),  # the first filter that objects
        (b"THE known, one", b"d e", "held out"),
        (b"d e", b"LE  CONNU !", "held out"),
        (b"The known one too", b"d e f", None),
    ],
)
def test_filters(source: bytes, target: bytes, objection: str | None) -> None:
    assert CLEANER.examine((source, target))[1] == objection


def test_filters_have_an_order_that_the_report_shows() -> None:
    assert FILTERS == ("not UTF-8", "empty", "too long", "ratio", "language", "held out")
    assert CLEANER.filters == ["not UTF-8", "empty", "too long", "ratio", "held out"]


@given(st.text(), st.text())
def test_what_is_left_is_normalised_and_one_line(source: str, target: str) -> None:
    block = ([source.replace("\n", " ").encode()], [target.replace("\n", " ").encode()])
    cleaned = Cleaner(100, 1000, 100, NOTHING)(block)
    left = tuple(side.decode() for side in cleaned.sides)
    is_empty = not normalise(source) or not normalise(target)
    assert left == (("", "") if is_empty else (f"{normalise(source)}\n", f"{normalise(target)}\n"))
    assert len(cleaned.digests) == (0 if is_empty else DIGEST_SIZE)


def test_punctuation_alone_is_nobodys_copy(tmp_path: Path) -> None:
    (tmp_path / "dev").write_text("...\nA!\n")
    assert held_out_sentences([tmp_path / "dev"]) == {"a"}
    assert Cleaner(6, 40, 1.5, (frozenset(), frozenset({"a"}))).examine((b"!", b"?"))[1] is None


@pytest.mark.parametrize("workers", [1, 3])
def test_a_corpus(workers: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("moe_nmt.corpus.cleaning.clean.BLOCK", 3)
    texts = tmp_path / "a.en", tmp_path / "a.fr"
    texts[0].write_bytes(b"one\n\ntwo\rtwo\nthree\xff\nfour\nfive")  # no newline at the end
    texts[1].write_bytes(b"un\nvide\ndeux deux\ntrois\nquatre\ncinq cinq")
    outputs = tmp_path / "en", tmp_path / "fr", tmp_path / "digests"
    counts = clean("a", texts, outputs[:2], outputs[2], CLEANER, workers)
    assert counts == {
        "pairs": 6, "not UTF-8": 1, "empty": 1, "too long": 0, "ratio": 1, "held out": 0,
        "copied": 0, "left": 3,
    }  # fmt: skip
    assert outputs[0].read_bytes() == b"one\ntwo two\nfour\n"
    assert outputs[1].read_bytes() == b"un\ndeux deux\nquatre\n"
    assert outputs[2].stat().st_size == 3 * DIGEST_SIZE


@pytest.mark.parametrize("workers", [1, 2])
def test_unequal_sides_stop_with_both_counts(workers: int, tmp_path: Path) -> None:
    texts = tmp_path / "a.en", tmp_path / "a.fr"
    texts[0].write_bytes("one\u2028two\nthree\n".encode())
    texts[1].write_bytes(b"un\ndeux\ntrois\nquatre")
    outputs = tmp_path / "en", tmp_path / "fr", tmp_path / "digests"
    with pytest.raises(UserError, match=r"a.en has 2 lines but .*a.fr has 4: they are no transl"):
        clean("a", texts, outputs[:2], outputs[2], CLEANER, workers)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["a.en", "a.fr"]
