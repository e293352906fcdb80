"""The rows of the table: equal to sacreBLEU's own functions and to multi-bleu."""

import pytest
import sacrebleu

from moe_nmt.evaluation.measures import measures
from moe_nmt.evaluation.tokenizers import tokenizer

HYPOTHESES = ["Die Web-Seite ist, sagt er, neu.", "Ein Hund läuft im Park herum!", "Ja, genau das."]
REFERENCES = ["Die Netz-Seite ist, sagt er, Neu.", "Ein Hund läuft im Park umher!", "Ja, genau so."]
OTHERS = ["Die Web-Seite ist, so sagt er, neu.", "Ein Hund lief im Park herum!", "Ja."]


def test_rows() -> None:
    names = [row.name for row in measures([REFERENCES], tokenizer("13a"), None, False)]
    assert names == ["multi-bleu", "sacreBLEU", "chrF2"]
    names = [row.name for row in measures([REFERENCES], tokenizer("13a"), "de", False)]
    assert names == ["multi-bleu", "multi-bleu, compounds split", "sacreBLEU", "chrF2"]
    names = [row.name for row in measures([REFERENCES], tokenizer("none"), "fr", False)]
    assert names == ["multi-bleu"]


@pytest.mark.parametrize("lowercase", [False, True])
@pytest.mark.parametrize("references", [[REFERENCES], [REFERENCES, OTHERS]])
def test_figures_and_signatures(references: list[list[str]], lowercase: bool) -> None:
    rows = {
        row.name: row for row in measures(references, tokenizer("13a"), "de", lowercase=lowercase)
    }
    bleu = sacrebleu.BLEU(lowercase=lowercase)
    expected = bleu.corpus_score(HYPOTHESES, references)
    assert rows["sacreBLEU"].score(HYPOTHESES).value == expected.score
    assert rows["sacreBLEU"].signature == bleu.get_signature().format()
    chrf = sacrebleu.CHRF(lowercase=lowercase)
    assert rows["chrF2"].score(HYPOTHESES).value == chrf.corpus_score(HYPOTHESES, references).score
    # The same tokens and no order without a match: smoothing has nothing to do.
    assert rows["multi-bleu"].score(HYPOTHESES).value == pytest.approx(expected.score)
    assert rows["multi-bleu"].signature == (
        f"nrefs:{len(references)}|case:{'lc' if lowercase else 'mixed'}"
        f"|tok:13a-sacrebleu-{sacrebleu.__version__}|compounds:whole|smooth:none"
    )


def test_compounds_are_split_on_both_sides() -> None:
    """13a leaves "Web-Seite" a word; split, of its three tokens two are right.

    1-grams: whole 7 of 9, split 9 of 11 ("Die X ist , sagt er , neu .").
    """
    _, whole, split, *_ = [None, *measures([REFERENCES[:1]], tokenizer("13a"), "de", False)]
    assert whole is not None
    assert whole.score(HYPOTHESES[:1]).line.split(" ")[3].startswith("77.8/")
    assert split.score(HYPOTHESES[:1]).line.split(" ")[3].startswith("81.8/")
    assert "compounds:split" in split.signature
