"""The study of the balancing losses: its command lines, its figures and its tables."""

from __future__ import annotations

import json
import re
import runpy
import sys
from pathlib import Path

import pytest
import torch
from commands import ROOT, run
from small_models import build, collate, sentences

from moe_nmt.insight.balance_study import (
    SETTINGS,
    Measurement,
    Setting,
    Training,
    measure,
    records,
    tables,
)


def test_the_settings_are_those_of_table_6() -> None:
    assert [tuple(setting) for setting in SETTINGS] == (
        [(0, 0), (0.2, 0), (0, 0.2), (0.01, 0.01), (0.1, 0.1), (1, 1)]
    )


def test_measures_without_and_with_noise() -> None:
    model = build()
    batches = [collate(sentences(5, 3, 9), sentences(6, 4, 2, seed=2))]
    without, with_noise = measure(model, batches, seed=1)
    again, with_other_noise = measure(model, batches, seed=2)
    assert without == again
    assert without.perplexity == with_noise.perplexity
    assert with_noise.balance != with_other_noise.balance
    assert with_noise == measure(model, batches, seed=1)[1]
    assert not any(module.training for module in model.modules())

    with torch.no_grad():
        _, extra = model(**batches[0]["net_input"])
    load = extra["routings"]["decoder_1"].tokens_per_expert().double()
    importance = extra["routings"]["decoder_1"].importance.double()
    expected = [float(v.std(correction=0) / v.mean()) for v in (importance, load)]
    expected.append(float(load.max() / load.mean()))
    assert without.balance["decoder_1"] == pytest.approx(expected, rel=1e-4)


def test_tables_state_mean_and_standard_deviation() -> None:
    none, both = Setting(0.0, 0.0), Setting(0.1, 0.1)
    results = {
        Training(none, 1): Measurement(30.0, {"encoder_1": (3.0, 2.0, 9.0)}),
        Training(none, 2): Measurement(32.0, {"encoder_1": (1.0, 2.0, 7.0)}),
        Training(both, 1): Measurement(20.0, {"encoder_1": (0.5, 0.25, 1.5)}),
    }
    assert tables(results) == (
        "encoder_1, 2 seeds:\n\n"
        "|   w_importance |   w_load |   perplexity |   CV(Importance) |    CV(Load) |"
        "   max/mean load |\n"
        "|---------------:|---------:|-------------:|-----------------:|------------:|"
        "----------------:|\n"
        "|            0.0 |      0.0 | 31.00 ± 1.41 |      2.00 ± 1.41 | 2.00 ± 0.00 |"
        "     8.00 ± 1.41 |\n"
        "|            0.1 |      0.1 |        20.00 |             0.50 |        0.25 |"
        "            1.50 |"
    )
    assert records(results)[2] == {
        "importance_weight": 0.1,
        "load_weight": 0.1,
        "seed": 1,
        "perplexity": 20.0,
        "balance": {"encoder_1": (0.5, 0.25, 1.5)},
    }


@pytest.mark.slow
def test_the_script_end_to_end_and_again(binarised: Path, tmp_path: Path) -> None:
    figures = tmp_path / "figures.json"
    command = ["python", ROOT / "scripts" / "study_balance.py", binarised]
    command += ["--out", tmp_path / "runs", "--updates", 3, "--seeds", 1, "--threads", 1]
    done = run(*command, "--json", figures)
    assert done.returncode == 0, done.stderr
    found = json.loads(figures.read_text())
    for noise in ("without_noise", "with_noise"):
        weights = [(r["importance_weight"], r["load_weight"]) for r in found[noise]]
        assert weights == [tuple(setting) for setting in SETTINGS]
        assert all(1 < r["perplexity"] < 5000 for r in found[noise])
        assert all(r["balance"].keys() == {"encoder_1", "decoder_1"} for r in found[noise])
    text = (tmp_path / "runs" / "balance.md").read_text()
    assert text in done.stdout
    assert len(re.findall(r"\| +0\.0 \| +0\.2 \| ", text)) == 4

    again = run(*command)
    assert again.stdout.count("up to date, skipped") == 6
    assert text in again.stdout


def test_a_folder_that_is_not_binarised_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    script = str(ROOT / "scripts" / "study_balance.py")
    out = tmp_path / "runs"
    monkeypatch.setattr(sys, "argv", [script, str(tmp_path), "--out", str(out)])
    with pytest.raises(SystemExit) as stopped:
        runpy.run_path(script, run_name="__main__")
    assert stopped.value.code == 2
    assert (
        capsys.readouterr()
        .err.splitlines()[-1]
        .endswith(f"{tmp_path} is not a folder made by fairseq-preprocess: it has no dictionary")
    )
    assert not out.exists()
