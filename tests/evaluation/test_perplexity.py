"""Perplexity from P-lines by hand; that it is fairseq-validate's is tested in tests/cli."""

import math
from pathlib import Path

import pytest

from moe_nmt.errors import UserError
from moe_nmt.evaluation.perplexity import read_perplexity
from moe_nmt.evaluation.systems import References

FORCED = """T-1\t▁ein ▁Hu nd ▁<<unk>>
H-1\t-1.5\t▁ein ▁Hu nd ▁<unk>
P-1\t-1.0000 -2.0000 -3.0000 -4.0000 -2.0000
T-0\t▁ja
H-0\t-1.0\t▁ja
P-0\t-1.0000 -1.0000
"""
BAD_VALUES = ("-1.0", "-1.0 nan", "-1.0 inf", "-inf -1.0", "-1.0 5", "-1e9 -1.0", "-1.0 x")


@pytest.fixture
def references(tmp_path: Path) -> References:
    path = tmp_path / "test.de"
    path.write_text("ja\nein  Hund x\n", encoding="utf-8")
    return References.read([path], tokenized=False)


def read(text: str, references: References) -> float:
    path = references.paths[0].with_name("forced")
    path.write_text(text, encoding="utf-8")
    perplexity = read_perplexity(path, references)
    assert perplexity.log_p == pytest.approx(-14 * math.log(2))
    assert (perplexity.subwords, perplexity.words) == (7, 6)
    assert perplexity.per_word == pytest.approx(2 ** (14 / 6))
    return perplexity.per_subword


def test_bits_per_subword_and_per_word(references: References) -> None:
    """14 bits; 5 + 2 subwords with the ends; words: ja, ein, Hund, x and two ends."""
    assert read(FORCED, references) == pytest.approx(4.0)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (FORCED.replace("H-0\t-1.0\t▁ja", "H-0\t-1.0\t▁nein"), "--score-reference"),
        *(
            (
                FORCED.replace("P-0\t-1.0000 -1.0000\n", line),
                "no probabilities of all words",
            )
            for line in ("", *(f"P-0\t{values}\n" for values in BAD_VALUES))
        ),
        (FORCED[: FORCED.index("T-0")], "translations of 1 sentences but .* has 2 lines"),
        ("", "translations of 0 sentences"),
    ],
)
def test_what_is_no_perplexity(text: str, message: str, references: References) -> None:
    with pytest.raises(UserError, match=message):
        read(text, references)
