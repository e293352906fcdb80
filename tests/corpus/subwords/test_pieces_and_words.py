"""Pieces into words and back, and the alignment of words."""

from __future__ import annotations

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from moe_nmt.corpus.subwords.pieces import KINDS, OF_SENTENCES, OF_TOKENS, WORDS
from moe_nmt.translation.translation import word_alignment

PIECES = {
    OF_SENTENCES: st.sampled_from(["▁", "▁a", "b", "▁de", "▁▁f", "."]),
    OF_TOKENS: st.sampled_from(["a", "b@@", "de", "@@", "."]),
    WORDS: st.sampled_from(["a", "▁b", "de@@", "."]),
}


@pytest.mark.parametrize(
    ("kind", "pieces", "words", "numbers"),
    [
        (OF_SENTENCES, "▁Zwei ▁Män ner .", ["Zwei", "Männer."], [0, 1, 1, 1]),
        (OF_SENTENCES, "Z wei ▁ M ▁ ▁n ▁", ["Zwei", "M", "n"], [0, 0, 1, 1, 2, 2, 2]),
        (OF_SENTENCES, "▁ ▁", [], [-1, -1]),
        (OF_TOKENS, "Zwei Män@@ ner .", ["Zwei", "Männer", "."], [0, 1, 1, 2]),
        (OF_TOKENS, "Män@@ ner@@", ["Männer"], [0, 0]),
        (WORDS, "Zwei Männer .", ["Zwei", "Männer", "."], [0, 1, 2]),
    ],
)
def test_words_of_pieces(kind: str, pieces: str, words: list[str], numbers: list[int]) -> None:
    assert KINDS[kind].words(pieces.split()) == words
    assert KINDS[kind].word_of_each(pieces.split()) == numbers


@pytest.mark.parametrize("kind", KINDS)
@given(data=st.data())
def test_every_piece_is_a_part_of_its_word(kind: str, data: st.DataObject) -> None:
    pieces = data.draw(st.lists(PIECES[kind], max_size=8))
    words, numbers = KINDS[kind].words(pieces), KINDS[kind].word_of_each(pieces)
    assert numbers == sorted(numbers)
    if words:
        assert sorted(set(numbers)) == list(range(len(words)))
        for number, word in enumerate(words):
            own = [piece for piece, of in zip(pieces, numbers, strict=True) if of == number]
            assert KINDS[kind].words(own) == [word]


@given(
    source=st.lists(PIECES[OF_SENTENCES], max_size=6),
    target=st.lists(PIECES[OF_SENTENCES], max_size=6),
    seed=st.integers(0, 99),
)
def test_a_word_is_aligned_with_the_one_it_attends_to_most(
    source: list[str], target: list[str], seed: int
) -> None:
    kind = KINDS[OF_SENTENCES]
    generator = torch.Generator().manual_seed(seed)
    attention = torch.rand(len(target) + 1, len(source) + 1, generator=generator)
    expected = []
    rows, columns = kind.word_of_each(target), kind.word_of_each(source)
    if kind.words(source):
        for word in range(len(kind.words(target))):
            sums = [0.0] * len(kind.words(source))
            for i, row in enumerate(rows):
                for j, column in enumerate(columns):
                    if row == word:
                        sums[column] += float(attention[i, j])
            expected.append((max(range(len(sums)), key=sums.__getitem__), word))
    assert word_alignment(attention, kind, source, kind, target) == expected
