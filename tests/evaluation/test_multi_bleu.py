"""Moses' multi-bleu.perl, to the printed digit."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sacrebleu.metrics.bleu import BLEU

from moe_nmt.evaluation.multi_bleu import MultiBleu, multi_bleu, sentence_statistics

HYPOTHESES = ["the cat sat on the mat", "there is a dog in the garden ."]
REFERENCES = ["the cat is on the mat today", "there is a dog in a garden ."]


def test_by_hand() -> None:
    """Derivation: correct / total, sentence 1 + sentence 2.

    1-grams: the cat on the mat of 6; there is a dog in garden . of 8:      5/6 + 7/8 = 12/14
    2-grams: "the cat" "on the" "the mat" of 5;
             "there is" "is a" "a dog" "dog in" "garden ." of 7:            3/5 + 5/7 =  8/12
    3-grams: "on the mat" of 4; "there is a" "is a dog" "a dog in" of 6:    1/4 + 3/6 =  4/10
    4-grams: none of 3; "there is a dog" "is a dog in" of 5:                0/3 + 2/5 =  2/8
    BP = exp(1 - 15/14) = 0.93106;  (12/14 8/12 4/10 2/8)^(1/4) = 0.48892;  BLEU = 0.45522
    """
    bleu = multi_bleu(HYPOTHESES, [REFERENCES])
    assert (bleu.correct, bleu.total, bleu.lengths) == ((12, 8, 4, 2), (14, 12, 10, 8), (14, 15))
    assert str(bleu) == (
        "BLEU = 45.52, 85.7/66.7/40.0/25.0 (BP=0.931, ratio=0.933, hyp_len=14, ref_len=15)"
    )
    assert bleu.score == pytest.approx(
        100 * np.exp(-1 / 14) * (12 / 14 * 8 / 12 * 4 / 10 * 2 / 8) ** (1 / 4)
    )


def test_of_several_references_the_closest_length_and_the_most_n_grams() -> None:
    """5 words: references of 4 and 6 are as close, and the shorter counts; "a" twice at most."""
    statistics = sentence_statistics("a a a b c", ["a a x y z w", "a b c d", "b c"])
    assert statistics.tolist() == [5, 4, 4, 3, 1, 0, 5, 4, 3, 2]


def test_words_are_bytes_between_ascii_white_space() -> None:
    assert sentence_statistics("a\u00a0b c\u2028d\x85e", ["x"])[0] == 2
    assert sentence_statistics(" a\tb \x0b c ", ["x"])[0] == 3


def test_lowercase_is_perls() -> None:
    """Without a locale Perl's lc knows ASCII letters alone: Ä stays."""
    hypotheses, references = ["DIE ÄRZTE"], ["die Ärzte"]
    assert multi_bleu(hypotheses, [references]).correct == (0, 0, 0, 0)
    assert multi_bleu(hypotheses, [references], lowercase=True).correct == (2, 1, 0, 0)
    assert multi_bleu(hypotheses, [["die ärzte"]], lowercase=True).correct == (1, 0, 0, 0)


def test_without_matches_and_without_words() -> None:
    assert str(multi_bleu(["a b c"], [["a b c"]])) == (
        "BLEU = 0.00, 100.0/100.0/100.0/0.0 (BP=1.000, ratio=1.000, hyp_len=3, ref_len=3)"
    )
    assert str(multi_bleu(["a"], [[""]])) == (
        "BLEU = 0, 0/0/0/0 (BP=0, ratio=0, hyp_len=0, ref_len=0)"
    )
    assert multi_bleu([""], [["a"]]).score == 0


def test_every_sentence_needs_its_reference() -> None:
    with pytest.raises(ValueError, match="shorter"):
        multi_bleu(["a", "b"], [["a"]])


words = st.lists(st.sampled_from(["a", "b", "c", "d", ".", "B"]), max_size=9).map(" ".join)


@settings(max_examples=200, deadline=None)
@given(st.lists(st.tuples(words, words, words), min_size=1, max_size=5), st.booleans())
def test_equals_sacrebleu_without_its_tokenizer_and_smoothing(
    triples: list[tuple[str, str, str]], lowercase: bool
) -> None:
    hypotheses, *references = (list(column) for column in zip(*triples, strict=True))
    other = BLEU(tokenize="none", smooth_method="none", force=True, lowercase=lowercase)
    expected = other.corpus_score(hypotheses, references)
    bleu = multi_bleu(hypotheses, references, lowercase)
    assert bleu.lengths == (expected.sys_len, expected.ref_len)
    assert (list(bleu.correct), list(bleu.total)) == (expected.counts, expected.totals)
    assert bleu.score == pytest.approx(expected.score, abs=1e-9)


def test_the_corpus_is_the_sum_of_its_sentences() -> None:
    pairs = zip(HYPOTHESES, REFERENCES, strict=True)
    total = sum(sentence_statistics(one, [other]) for one, other in pairs)
    assert MultiBleu.of(np.asarray(total)) == multi_bleu(HYPOTHESES, [REFERENCES])
