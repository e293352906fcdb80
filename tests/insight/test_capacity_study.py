"""The study of experts at equal operations: its models, its measures and its tables."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import torch
from commands import ROOT, run

from moe_nmt.errors import UserError
from moe_nmt.insight.capacity_measures import Domains, qualities
from moe_nmt.insight.capacity_study import DENSE, TASKS, sized, variants
from moe_nmt.insight.training_run import Point, Schedule, curve

VOCABULARY = 1000


@pytest.mark.parametrize("task", TASKS)
def test_all_models_have_the_operations_of_the_dense_one_within_a_hundredth(task: str) -> None:
    models = {name: sized(task, name, VOCABULARY) for name in variants(TASKS[task])}
    budget = models[DENSE].operations
    assert all(abs(model.operations / budget - 1) < 0.01 for model in models.values())
    sizes = [models[name].parameters for name in (DENSE, "16", "64", "256", "256h", "1024h")]
    assert sizes == sorted(sizes)
    assert models["1024h"].parameters > 20 * models[DENSE].parameters
    assert abs(models["4"].parameters / models[DENSE].parameters - 1) < 0.01
    assert abs(models["wide LSTM"].parameters / models[DENSE].parameters - 1) < 0.01


def test_the_operations_of_the_language_models_by_hand() -> None:
    # two LSTMs of 4 (128 + 128) 128, an expert of 2 * 128 * 1024, a gate and its noise of 128 * 1
    assert sized("language", DENSE, VOCABULARY).operations == 2 * 131072 + 262144 + 2 * 128
    model = sized("language", "256h", VOCABULARY)
    hidden = model.options["expert_hidden"]
    # a primary gate over 16 groups, and of two groups one over 16 experts
    assert model.operations == 2 * 131072 + 4 * 2 * 128 * hidden + 3 * 2 * 128 * 16


def test_no_size_that_is_near_enough_is_said(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("moe_nmt.insight.capacity_study.HIDDEN_OF_DENSE", 8)
    with pytest.raises(UserError, match="256: no expert_hidden gives the"):
        sized("language", "256", VOCABULARY + 1)


def test_a_curve_has_each_validation_once(tmp_path: Path) -> None:
    log = tmp_path / "log.txt"

    def inner(updates: int, wall: int) -> str:
        figures = {"num_updates": str(updates), "wpb": "100.5", "train_wall": str(wall)}
        return f"2026 | INFO | train_inner | {json.dumps(figures)}\n"

    def valid(updates: int, bits: float) -> str:
        figures = {"valid_num_updates": str(updates), "valid_nll_loss": str(bits)}
        return f"2026 | INFO | valid | {json.dumps(figures)}\n"

    lines = [inner(10, 5), valid(10, 3.0), "other\n", inner(20, 7), valid(20, 2.0)]
    lines += [inner(20, 6), valid(20, 2.0)]  # after a pause
    log.write_text("".join(lines))
    ln2 = pytest.approx(0.6931472)
    first, second = curve(log)
    assert first == Point(10, 1005, 5.0, first.nats)
    assert second == Point(20, 2010, 11.0, second.nats)
    assert (first.nats / 3, second.nats / 2) == (ln2, ln2)


def test_a_schedule_validates_as_often_as_it_says() -> None:
    options = Schedule(updates=20, tokens=100, lr=0.1, validations=5).options()
    assert options[options.index("--validate-interval-updates") + 1] == "4"
    assert options[options.index("--log-interval") + 1] == "4"
    assert "--disable-validation" not in options
    assert "--disable-validation" in Schedule(updates=20, tokens=100, lr=0.1).options()


def test_domains_are_those_of_each_line(tmp_path: Path) -> None:
    path = tmp_path / "domains"
    path.write_text("law\nnews\nlaw\n")
    domains = Domains.read(path, 3)
    assert (domains.names, domains.label.tolist()) == (["law", "news"], [0, 1, 0])
    assert Domains.read(None, 2).names == ["all"]
    with pytest.raises(UserError, match="domains has 3 lines but the test set 4 sentences"):
        Domains.read(path, 4)


def test_quality_is_that_of_a_domain_alone() -> None:
    domains = Domains(["good", "wrong"], torch.tensor([0, 1, 0]))
    reference = ["one two three four five", "six seven eight nine ten", "a b c d e f"]
    translations = [reference[0], "something else entirely is here", reference[2]]
    found = qualities(translations, reference, domains)
    assert found["domains"]["good"] == {"bleu": pytest.approx(100), "chrf": pytest.approx(100)}
    assert found["domains"]["wrong"]["bleu"] < 10
    assert 30 < found["bleu"] < 90


SCRIPT = ROOT / "scripts" / "study_capacity.py"


@pytest.mark.slow
def test_translation_end_to_end_and_another_seed(
    binarised: Path, corpus: Path, tmp_path: Path
) -> None:
    domains = tmp_path / "test.domain"
    domains.write_text("".join(f"domain{n % 2}\n" for n in range(61)))
    figures = tmp_path / "figures.json"
    command = ["python", SCRIPT, "translation", binarised, "--out", tmp_path / "runs", "--quick"]
    command += ["--reference", corpus / "test.de", "--domains", domains, "--json", figures]
    command += ["--variants", DENSE, "16"]
    done = run(*command, "--seeds", 1)
    assert done.returncode == 0, done.stderr
    records = json.loads(figures.read_text())
    assert [(r["variant"], r["seed"]) for r in records] == [(DENSE, 1), ("16", 1)]
    for record in records:
        assert [point["updates"] for point in record["curve"]] == [2, 4, 6, 8, 10]
        assert 1 < record["test"]["perplexity"] < 2000
        assert record["test"]["domains"].keys() == {"domain0", "domain1"}
        assert record["quality"]["domains"].keys() == {"domain0", "domain1"}
    assert (tmp_path / "runs" / "translation.md").read_text() in done.stdout

    again = run(*command, "--seeds", 1, 2, "--variants", DENSE)
    assert again.returncode == 0, again.stderr
    merged = json.loads(figures.read_text())
    assert [(r["variant"], r["seed"]) for r in merged] == [(DENSE, 1), (DENSE, 2), ("16", 1)]
    assert (merged[0], merged[2]["test"]) == (records[0], records[1]["test"])
    assert "[train] up to date, skipped" in again.stdout


def test_language_end_to_end(corpus: Path, tmp_path: Path) -> None:
    data = tmp_path / "data"
    prefixes = [f"--{s}pref={corpus / s}.en" for s in ("train", "valid", "test")]
    assert run("fairseq-preprocess", "--only-source", *prefixes, "--destdir", data).returncode == 0
    done = run(
        *("python", SCRIPT, "language", data, "--out", tmp_path / "runs", "--quick"),
        *("--variants", DENSE, "256h", "--seeds", 1, "--jobs", 2),
    )
    assert done.returncode == 0, done.stderr
    assert "| dense" in done.stdout
    records = json.loads((tmp_path / "runs" / "language.json").read_text())
    information = records[1]["test"]["mixtures"]["decoder_1"]["information"]
    assert information["domain"] == {"bits": 0, "shuffled": 0}  # there is but one
    assert information["word"]["bits"] > information["word"]["shuffled"] > 0


def test_what_is_wrong_is_said_before_anything_runs(binarised: Path, tmp_path: Path) -> None:
    out = ["--out", tmp_path / "runs"]
    without = run("python", SCRIPT, "translation", binarised, *out)
    assert without.returncode == 2
    assert "--reference is needed for translation" in without.stderr
    done = run("python", SCRIPT, "language", tmp_path, *out)
    assert done.returncode != 0
    assert f"{tmp_path} is not a folder made by moe-nmt-prepare" in done.stderr
    figures = tmp_path / "figures.json"
    figures.write_text('[{"task": "language", "schedule": {}}]')
    text = ["--reference", figures, "--json", figures]
    other = run("python", SCRIPT, "translation", binarised, *out, *text)
    assert other.returncode != 0
    assert f"{figures} has runs of another task or schedule" in other.stderr
    assert not (tmp_path / "runs").exists()
