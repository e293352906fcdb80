"""Choosing from n-best lists by GNMT's score, against the formula written out in loops."""

import math
from pathlib import Path

import numpy as np
import pytest

from moe_nmt.errors import UserError
from moe_nmt.evaluation.rescoring import NBest, coverage, read_n_best
from moe_nmt.evaluation.systems import References
from moe_nmt.evaluation.tokenizers import tokenizer


def score(
    log_p: float, length: int, attention: list[list[float]], alpha: float, beta: float
) -> float:
    """Wu et al. 2016, equation 14, word by word."""
    penalty = (5 + length) ** alpha / (5 + 1) ** alpha
    covered = 0.0
    for i in range(len(attention[0])):
        covered += math.log(min(sum(row[i] for row in attention), 1.0))
    return log_p / penalty + beta * covered


def test_coverage_by_hand() -> None:
    attention = np.array([[0.5, 0.5, 0.0], [0.75, 0.25, 0.0]])
    assert coverage(attention[:, :2]) == pytest.approx(math.log(1.0) + math.log(0.75))
    assert coverage(attention) < -14  # a word that nothing looked at costs, if finitely


def test_the_choice_is_the_formulas() -> None:
    random = np.random.default_rng(1)
    lengths = random.integers(1, 9, size=(20, 4))
    log_p = -2 * random.random((20, 4)) * lengths
    attentions = [
        [random.dirichlet(np.ones(5) / 3, size=length) for length in row] for row in lengths
    ]
    covered = np.array([[coverage(matrix) for matrix in row] for row in attentions])
    log_p[3, 2:] = -np.inf  # a shorter list
    n_best = NBest(log_p, lengths, covered, np.zeros((20, 4, 10), dtype=np.int64))
    choices = set()
    for alpha in (0.0, 0.2, 1.0):
        for beta in (0.0, 0.2, 1.0):
            expected = [
                max(
                    range(4),
                    key=lambda n: score(log_p[s, n], lengths[s, n], attentions[s][n], alpha, beta),
                )
                for s in range(20)
            ]
            assert n_best.chosen(alpha, beta).tolist() == expected
            choices.add(tuple(expected))
    assert len(choices) == 9  # each setting mattered


LISTS = """H-1\t-1\t▁Das ▁ist ▁ein ▁Hund
P-1\t-1.0 -1.0 -1.0 -1.0 -1.0
A-1\t1.000000,0.000000 0.500000,0.500000 0.0,1.0 0.0,1.0 0.0,1.0
H-1\t-2\t▁Das
P-1\t-2.0 -2.0
A-1\t1.000000,0.000000 1.000000,0.000000
H-0\t-2\t▁Ja .
P-0\t-0.5 -0.5 -0.5
A-0\t0.5,0.5 0.5,0.5 0,0.001
"""


@pytest.fixture
def references(tmp_path: Path) -> References:
    path = tmp_path / "valid.de"
    path.write_text("Ja.\nDas ist ein Hund\n", encoding="utf-8")
    return References.read([path], tokenized=False)


def read(text: str, references: References, with_coverage: bool = True) -> NBest:
    path = references.paths[0].with_name("lists")
    path.write_text(text, encoding="utf-8")
    return read_n_best(path, references, tokenizer("13a"), False, with_coverage)


def test_reading(references: References) -> None:
    n_best = read(LISTS, references)
    np.testing.assert_allclose(
        n_best.log_p, math.log(2) * np.array([[-1.5, -np.inf], [-5.0, -4.0]])
    )
    assert n_best.lengths.tolist() == [[3, 1], [5, 2]]
    np.testing.assert_allclose(n_best.coverage, [[0, 0], [0, math.log(5e-7)]], atol=1e-12)
    assert n_best.statistics[0, 0].tolist() == [2, 2, 2, 1, 0, 0, 2, 1, 0, 0]
    assert n_best.statistics[0, 1].tolist() == [0] * 10
    assert n_best.statistics[1, 1].tolist() == [1, 4, 1, 0, 0, 0, 1, 0, 0, 0]
    # Alone ln P prefers the short one; either penalty the long one.
    assert n_best.chosen(0, 0).tolist() == [0, 1]
    assert n_best.chosen(1, 0).tolist() == [0, 0]
    assert n_best.chosen(0, 0.1).tolist() == [0, 0]
    assert n_best.as_decoded().lengths == (6, 6)
    assert n_best.bleu(np.array([0, 1])).lengths == (3, 6)


def test_coverage_is_read_only_where_it_counts(references: References) -> None:
    without = "".join(line for line in LISTS.splitlines(True) if not line.startswith("A-"))
    assert not read(without, references, with_coverage=False).coverage.any()


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("A-0\t0.5,0.5 0.5,0.5 0,0.001\n", "", "no soft attention of sentence 0: give"),
        ("0.5,0.5 0.5,0.5 0,0.001", "0-0 1-1", "--print-alignment soft"),
        ("0.5,0.5 0.5,0.5 0,0.001", "0.5,0.5 0.5", "--print-alignment soft"),
        ("P-0\t-0.5 -0.5 -0.5\n", "", "no probabilities of all words of sentence 0"),
        ("-0.5 -0.5 -0.5", "-0.5 -0.5 -", "no probabilities of all words of sentence 0"),
        ("-0.5 -0.5 -0.5", "-0.5 -0.5", "no probabilities of all words of sentence 0"),
        ("-0.5 -0.5 -0.5", "-0.5 nan -0.5", "no probabilities of all words of sentence 0"),
        ("-0.5 -0.5 -0.5", "-0.5 5000 -0.5", "no probabilities of all words of sentence 0"),
        ("-0\t", "-2\t", "translate the whole of that file again"),
        ("▁", "x@@▁", "has subwords left in"),
    ],
)
def test_lists_that_cannot_be_used(
    old: str, new: str, message: str, references: References
) -> None:
    assert old in LISTS
    with pytest.raises(UserError, match=message):
        read(LISTS.replace(old, new), references)


def test_tokens_are_refused(references: References) -> None:
    with pytest.raises(UserError, match=r"looks tokenised, .* Moses' by moe-nmt-subword detoken"):
        read(LISTS.replace("▁", "&quot;▁"), references)


def test_one_translation_leaves_no_choice(references: References) -> None:
    single = LISTS[: LISTS.index("H-1\t-2")] + LISTS[LISTS.index("H-0") :]
    with pytest.raises(UserError, match=r"nothing to choose from: make it with .* --nbest 8"):
        read(single, references)
