"""moe-nmt-tune on n-best lists by hand and on a model's."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from commands import PLUGIN, SHORT, SIZES, run, run_here, usage_error

from moe_nmt.cli.score import main as score
from moe_nmt.cli.tune import main
from moe_nmt.evaluation.generated import read_hypotheses

LISTS = """H-0\t-1\t▁Das ▁ist .
P-0\t-1.0 -1.0 -1.0 -1.0
A-0\t1.0,0.0 1.0,0.0 1.0,0.0 1.0,0.0
H-0\t-2\t▁Das ▁ist ▁ein ▁Hund .
P-0\t-1.0 -1.0 -1.0 -1.0 -1.0 -1.0
A-0\t1.0,0.0 1.0,0.0 1.0,0.0 0.0,1.0 0.0,1.0 0.0,1.0
"""


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    Path("lists").write_text(LISTS, encoding="utf-8")
    Path("ref").write_text("Das ist ein Hund.\n")
    return tmp_path


def test_by_hand(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """-4 / (9/6)^alpha against -6 / (11/6)^alpha: the long one is better from alpha = 2.02 on."""
    main(
        [
            "lists",
            "--reference",
            "ref",
            "--alpha",
            "2.1",
            "0",
            "2",
            "--beta",
            "0",
            "--json",
            "f.json",
            "--plot",
            "f.svg",
        ]
    )
    assert capsys.readouterr().out.splitlines() == [
        "alpha \\ beta       0",
        "0               0.00",
        "2               0.00",
        "2.1           100.00",
        "nrefs:1|case:mixed|tok:13a-sacrebleu-2.6.0|compounds:whole|smooth:none, "
        "2 hypotheses of 1 sentences",
        "as decoded: BLEU 0.00",
        "best: alpha 2.1, beta 0: BLEU 100.00",
    ]
    found = json.loads(Path("f.json").read_text())
    assert (found["alpha"], found["beta"], found["bleu"]) == ([0, 2, 2.1], [0], [[0], [0], [100]])
    assert Path("f.svg").read_text().startswith("<svg ")
    main(["lists", "--reference", "ref", "--alpha", "0", "--beta", "0", "0.1"])
    assert "best: alpha 0, beta 0.1: BLEU 100.00" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ("lists --reference ref --alpha -1", "take numbers of 0 or more"),
        ("lists --reference ref --beta nan", "take numbers of 0 or more"),
        ("lists --reference ref --beta x", "invalid float value: 'x'"),
        ("lists", "the following arguments are required: --reference"),
    ],
)
def test_wrong_options(
    arguments: str, message: str, folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert message in usage_error(main, arguments, capsys)


def test_bad_files_write_nothing(folder: Path) -> None:
    Path("two").write_text("Ja.\nNein.\n")
    for arguments, message in {
        "lists --reference two": "translations of 1 sentences but two has 2 lines",
        "absent --reference ref": "cannot read absent",
        "two --reference two": "translations of 0 sentences but two has 2 lines",
    }.items():
        with pytest.raises(SystemExit, match=message):
            main([*arguments.split(), "--json", "f.json", "--plot", "f.svg"])
        assert not list(folder.glob("f.*"))


def test_a_models_lists(binarised: Path, checkpoint: Path, corpus: Path, tmp_path: Path) -> None:
    """What fairseq prints is what we read: log P, length, and attention that adds up to 1."""
    search = ["--beam", 3, "--nbest", 3, "--print-alignment", "soft", "--gen-subset", "valid"]
    options = ["--path", checkpoint, "--results-path", tmp_path, *SHORT]
    run_here("generate", binarised, *PLUGIN, *options, *search)
    generated = tmp_path / "generate-valid.txt"
    hypotheses = [*read_hypotheses(generated)]
    assert 2 * SIZES["valid"] < len(hypotheses) <= 3 * SIZES["valid"]
    sources = (corpus / "valid.en").read_text(encoding="utf-8").splitlines()
    for hypothesis in hypotheses:
        log_p, attention = hypothesis.log_probabilities(), hypothesis.attention_matrix()
        words = len(sources[hypothesis.sentence].split())
        assert attention.shape == (len(log_p), words + 1)
        assert len(log_p) == len(hypothesis.text.split()) + 1
        assert (log_p < 1e-3).all()
        np.testing.assert_allclose(attention.sum(axis=1), 1, atol=1e-4)

    figures = tmp_path / "f.json"
    command = ["python", "-m", "moe_nmt.cli.tune", tmp_path, "--reference", corpus / "valid.de"]
    done = run(*command, "--json", figures)
    assert done.returncode == 0, done.stderr
    found = json.loads(figures.read_text())
    assert (found["sentences"], found["hypotheses"]) == (SIZES["valid"], len(hypotheses))
    assert np.array(found["bleu"]).shape == (11, 11)
    assert found["best"]["bleu"] == max(map(max, found["bleu"]))
    score([str(tmp_path), "--reference", str(corpus / "valid.de"), "--json", str(figures)])
    first = json.loads(figures.read_text())["scores"][0]["mean"]
    assert found["bleu_as_decoded"] == pytest.approx(first)
