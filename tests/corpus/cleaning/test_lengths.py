"""Words of scripts with and without spaces."""

from __future__ import annotations

import pytest

from moe_nmt.corpus.cleaning.lengths import words

# the same sentence, of 8 English words
SENTENCES = {
    "en": ("She planted red flowers in the garden yesterday.", 8),
    "de": ("Sie hat gestern rote Blumen im Garten gepflanzt.", 8),
    "cs": ("Včera na zahradě zasadila červené květiny.", 6),
    "ar": ("زرعت زهورا حمراء في الحديقة أمس.", 6),
    "hi": ("उसने कल बगीचे में लाल फूल लगाए।", 7),
    "ko": ("그녀는 어제 정원에 빨간 꽃을 심었다.", 6),
    "zh": ("她昨天在花园里种了红色的花。", 7),
    "ja": ("彼女は昨日、庭に赤い花を植えました。", 9),
    "th": ("เมื่อวานเธอปลูกดอกไม้สีแดงในสวน", 7),
}


@pytest.mark.parametrize("language", SENTENCES)
def test_words(language: str) -> None:
    sentence, count = SENTENCES[language]
    assert words(sentence) == count
    assert 1 / 1.5 <= count / SENTENCES["en"][1] <= 1.5  # the filter of the ratio lets it pass


def test_what_has_spaces_counts_by_them() -> None:
    assert words("one") == 1
    assert words("\u00e9t\u00e9 \u00e0 \u00c5s") == 3
