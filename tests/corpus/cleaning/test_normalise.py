import unicodedata
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from moe_nmt.corpus.cleaning.normalise import normalise, normalise_parallel
from moe_nmt.errors import UserError

SPACES = "\t\r\v\f\x1c\x1d\x1e\x1f\x85\xa0\u1680\u2003\u2009\u2028\u2029\u202f\u3000"


@pytest.mark.parametrize("space", SPACES, ids=lambda space: f"U+{ord(space):04X}")
def test_odd_separators_and_spaces_become_a_space(space: str) -> None:
    assert normalise(f"Zwei{space}Männer") == "Zwei Männer"


@pytest.mark.parametrize(
    ("sentence", "expected"),
    [
        ("Schu\u0308tze", "Schütze"),  # NFC
        ("a\x00b\x07c\x7fd\x80e", "abcde"),  # control characters
        ("\ufeffA bat\u00adtery\u200b.", "A battery."),  # invisible ones
        ("  two   spaces ", "two spaces"),
        ("a \x00 b", "a b"),
        ("a\u2581b", "a_b"),
        ("« oui »\r", "« oui »"),
        ("L’homme „dort“ – ½ … œuf", "L’homme „dort“ – ½ … œuf"),  # words stay as they are
        (" \u2028 ", ""),
    ],
)
def test_normalise(sentence: str, expected: str) -> None:
    assert normalise(sentence) == expected


@given(st.text())
def test_nothing_is_left_that_tools_disagree_about(sentence: str) -> None:
    text = normalise(sentence)
    assert normalise(text) == text
    assert text.split() == [word for word in text.split(" ") if word]
    assert len(text.splitlines()) <= 1
    assert unicodedata.is_normalized("NFC", text)
    assert not any(unicodedata.category(character) == "Cc" for character in text)


def test_parallel_files_keep_their_lines(tmp_path: Path) -> None:
    one, other = tmp_path / "en", tmp_path / "de"
    one.write_bytes("a\u2028b\nc\r\n\n".encode())
    other.write_bytes(b"A B\nC\nD")
    outputs = [tmp_path / "out.en", tmp_path / "out.de"]
    assert normalise_parallel([one, other], outputs) == 3
    assert outputs[0].read_bytes() == b"a b\nc\n\n"
    assert outputs[1].read_bytes() == b"A B\nC\nD\n"


def test_files_of_different_length_stop(tmp_path: Path) -> None:
    one, other = tmp_path / "en", tmp_path / "de"
    one.write_text("a\nb\n")
    other.write_text("A\n")
    with pytest.raises(UserError, match=r"en has 2 lines but .*de has 1: they are no translation"):
        normalise_parallel([one, other], [tmp_path / "1", tmp_path / "2"])
    assert not (tmp_path / "1").exists()
