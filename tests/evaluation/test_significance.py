import pytest
from sacrebleu.metrics.bleu import BLEU
from sacrebleu.metrics.chrf import CHRF
from sacrebleu.significance import PairedTest

from moe_nmt.errors import UserError
from moe_nmt.evaluation.significance import compare

REFERENCES = [f"das ist der {n}. Satz von allen, die ich kenne" for n in range(40)]
GOOD = [line.replace("kenne", "kannte") if n % 4 else line for n, line in enumerate(REFERENCES)]
BAD = [line.replace("von allen", "aller") for line in GOOD]
SAMPLES, TRIALS = 100, 200


def test_figures_are_sacrebleus() -> None:
    systems = [("good", GOOD), ("bad", BAD)]
    found = compare(systems, [REFERENCES], lowercase=False, samples=SAMPLES, trials=TRIALS)
    metrics = {"BLEU": BLEU(references=[REFERENCES]), "chrF2": CHRF(references=[REFERENCES])}
    _, bootstrap = PairedTest(systems, metrics, None, "bs", SAMPLES)()
    _, randomised = PairedTest(systems, metrics, None, "ar", TRIALS)()
    assert [(c.system, c.metric) for c in found.comparisons] == [
        *(("good", "BLEU"), ("bad", "BLEU")),
        *(("good", "chrF2"), ("bad", "chrF2")),
    ]
    for index, comparison in enumerate(found.comparisons):
        one = bootstrap[comparison.metric][index % 2]
        other = randomised[comparison.metric][index % 2]
        assert (comparison.score, comparison.mean) == (one.score, one.mean)
        assert (comparison.interval, comparison.p_bootstrap) == (one.ci, one.p_value)
        assert comparison.p_randomisation == other.p_value
        assert comparison.differing == (40 if index % 2 else 0)
    assert found.comparisons[1].p_randomisation == 1 / (TRIALS + 1)  # surely different
    assert found.signatures[0].startswith("BLEU|nrefs:1|bs:100|seed:12345|")
    assert found.signatures[3].startswith("chrF2|nrefs:1|ar:200|seed:12345|")


@pytest.mark.parametrize(("differing", "least"), [(1, 1.0), (3, 0.25), (5, 1 / 16)])
def test_a_few_sentences_prove_little(differing: int, least: float) -> None:
    """All n different and all for the worse: swapped by chance so in 2 of 2^n cases."""
    other = [*BAD[:differing], *GOOD[differing:]]
    found = compare([("a", GOOD), ("b", other)], [REFERENCES], False, SAMPLES, TRIALS)
    assert found.comparisons[1].differing == differing
    assert found.comparisons[1].p_randomisation == pytest.approx(least, abs=0.1)
    assert found.comparisons[1].p_randomisation >= least


def test_the_same_translations_are_not_compared() -> None:
    with pytest.raises(UserError) as stop:
        compare([("a", GOOD), ("b", BAD), ("c", GOOD)], [REFERENCES], False, SAMPLES, TRIALS)
    assert str(stop.value) == ("a and c are the same translations: there is no difference to test")
