"""Sides that are in one language, or swapped."""

from __future__ import annotations

from pathlib import Path

import pytest

from moe_nmt.corpus.cleaning.sides import cosine, objections, profile

SWAPPED = "the sides of new look swapped beside those of dev: source files come before target files"
ONE = "both sides of new look like one language: is a file named twice?"


@pytest.mark.parametrize(
    ("source", "target", "expected"),
    [
        ("train.en", "train.de", []),
        ("train.de", "train.en", [SWAPPED]),
        ("train.en", "test.en", [ONE]),
        ("train.fr", "train.de", []),  # one side alone says nothing of the order
        ("train.de", "train.fr", []),
        ("few.de", "few.en", []),
    ],
)
def test_the_order_of_the_sides(
    source: str, target: str, expected: list[str], corpus: Path, tmp_path: Path
) -> None:
    (tmp_path / "few.en").write_text("Two dogs.\n")
    (tmp_path / "few.de").write_text("Zwei Hunde.\n")
    folders = {"few": tmp_path}
    texts = [folders.get(name.split(".")[0], corpus) / name for name in (source, target)]
    dev = corpus / "valid.en", corpus / "valid.de"
    assert [*objections("new", (texts[0], texts[1]), "dev", dev)] == expected


def test_the_cosine_of_trigrams(tmp_path: Path) -> None:
    for name, text in (("a", "abcd\n\nab\n"), ("b", "abcxabc\n"), ("c", "xyz\n")):
        (tmp_path / name).write_text(text)
    a, b, c = (profile(tmp_path / name) for name in "abc")
    assert a == {"abc": 1, "bcd": 1}
    assert cosine(a, a) == pytest.approx(1)
    assert cosine(a, c) == 0
    # abc twice, bcx, cxa, xab once: 1 * 2 / sqrt(2 * 7)
    assert cosine(a, b) == pytest.approx(2 / 14**0.5)
