"""Reading what fairseq-generate printed: by hand here, of the real command in tests/cli."""

from pathlib import Path

import numpy as np
import pytest

from moe_nmt.evaluation.generated import best_hypotheses, joined, read_hypotheses

# Sentence 1 with two hypotheses and all kinds of lines, sentence 0 with as little as possible.
GENERATED = """2026-01-01 | INFO | fairseq_cli.generate | {...}
S-1\t▁x ▁y
T-1\t▁eins ▁<<unk>>
H-1\t-0.5\t▁Zwei ▁Bä lle
D-1\t-0.5\t▁Zwei ▁Bä lle
P-1\t-1.0000 -0.5000 -2.0000 -0.5000
A-1\t0.500000,0.250000,0.250000 1.000000,0.000000,0.000000 0.1,0.2,0.7 0,0,1
H-1\t-0.9\t▁Ball
D-1\t-0.9\t▁Ball
P-1\t-1.0000 -0.8000
H-0\t-0.3\t▁Ball
Generate test with beam=2: BLEU4 = 1
"""


@pytest.fixture
def generated(tmp_path: Path) -> Path:
    path = tmp_path / "generate-test.txt"
    path.write_text(GENERATED, encoding="utf-8")
    return path


def test_every_hypothesis_with_its_lines(generated: Path) -> None:
    first, second, third = read_hypotheses(generated)
    assert [h.sentence for h in (first, second, third)] == [1, 1, 0]
    assert first.pieces == first.text == "▁Zwei ▁Bä lle"
    assert first.target == second.target == "▁eins ▁<<unk>>"
    assert (third.target, third.positional, third.attention) == ("", "", "")
    assert third.text == "▁Ball"  # no D-line: what H says
    assert second.attention == ""  # not the first one's
    np.testing.assert_allclose(first.log_probabilities(), np.log([1 / 2, 2**-0.5, 1 / 4, 2**-0.5]))
    attention = first.attention_matrix()
    assert attention.shape == (4, 3)
    np.testing.assert_array_equal(attention[0], [0.5, 0.25, 0.25])


def test_what_was_not_printed_is_an_error(generated: Path) -> None:
    _, second, third = read_hypotheses(generated)
    with pytest.raises(ValueError, match="fewer probabilities than words"):
        third.log_probabilities()
    with pytest.raises(ValueError, match="could not convert"):
        second.attention_matrix()


def test_the_best_hypotheses(generated: Path, tmp_path: Path) -> None:
    best = best_hypotheses(generated)
    assert {number: one.text for number, one in best.items()} == {1: "▁Zwei ▁Bä lle", 0: "▁Ball"}
    plain = tmp_path / "plain"
    plain.write_text("H-1\nS-1\tx\nH -\n")
    assert best_hypotheses(plain) == {}


def test_words_stay_apart_where_fairseq_has_joined_the_pieces(tmp_path: Path) -> None:
    """As with --post-process: without our marks there is nothing to join."""
    assert joined(["Zwei Bälle", ""]) == ["Zwei Bälle", ""]
    assert joined(["▁Zwei ▁Bä lle", "lle"]) == ["Zwei Bälle", "lle"]
    path = tmp_path / "generated"
    path.write_text("H-0\t-1\tZwei Bä@@ lle @-@ oh\nD-0\t-1\tZwei Bälle-oh\n", encoding="utf-8")
    assert best_hypotheses(path)[0].text == "Zwei Bälle-oh"
