"""moe-nmt-plan prints parameters and operations of the named architectures."""

import json
import subprocess
import sys
from pathlib import Path

import pytest
from commands import ROOT

from moe_nmt.cli.plan import main
from moe_nmt.models.architectures import ARCHITECTURES


def plan(monkeypatch: pytest.MonkeyPatch, *arguments: str) -> None:
    monkeypatch.setattr(sys, "argv", ["moe-nmt-plan", *arguments])
    main()


def test_one_line_for_each_architecture_asked_for(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    plan(monkeypatch, "--arch", "gnmt_moe_2048h", "gnmt_dense", "--vocabulary", "32768")
    _, _, head, *rows = capsys.readouterr().out.splitlines()
    kinds = ["LSTM", "experts", "gates", "attention", "softmax"]
    assert head.split() == ["parameters", "on", "a", "worker", "operations", *kinds]
    assert [row.split() for row in rows] == [
        ["gnmt_moe_2048h", "8694.4", "8694.4", "85.62", "51.38", "16.78", "0.16", "0.52", "16.78"],
        ["gnmt_dense", "102.3", "102.3", "68.68", "51.38", "0.00", "0.00", "0.52", "16.78"],
    ]


def test_without_names_all_are_told(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    plan(monkeypatch, "--vocabulary", "100")
    rows = capsys.readouterr().out.splitlines()[3:]
    assert [row.split()[0] for row in rows] == list(ARCHITECTURES)


def test_an_unknown_architecture_is_named(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit):
        plan(monkeypatch, "--arch", "gnmt_moe_64")
    told = capsys.readouterr().err.splitlines()[-1]
    assert told.startswith("moe-nmt-plan: error: there is no architecture 'gnmt_moe_64': choose")


def test_fairseq_has_nothing_to_say() -> None:
    arguments = ["moe-nmt-plan", "--arch", "gnmt_dense"]
    done = subprocess.run(arguments, capture_output=True, text=True, check=True)
    assert done.stderr == ""


def counts(tmp_path: Path, *arguments: str) -> dict[str, dict[str, int]]:
    main([*arguments, "--json", str(tmp_path / "counts.json")])
    read: dict[str, dict[str, int]] = json.loads((tmp_path / "counts.json").read_text())
    return read


def test_the_papers_counts_as_json(tmp_path: Path) -> None:
    """A row of Table 7, and the largest model of Table 8."""
    small, large = counts(
        tmp_path, "--arch", "lstm_moe_lm_1024h", "lstm_moe_lm_131072h", "--vocabulary", "1000"
    ).values()
    assert round(small["ops_per_timestep"] / 1e6, 1) == 8.5
    assert round(small["parameters_without_embedding_and_softmax"] / 1e6, 1) == 1079.0
    assert round(large["parameters_without_embedding_and_softmax"] / 1e6, 1) == 137577.6
    assert small["parameters"] > small["parameters_without_embedding_and_softmax"]
    assert small["parameters_per_worker"] == small["parameters"]


def test_workers_share_the_experts(tmp_path: Path) -> None:
    """512 experts in 16 groups on both sides: two groups each of 8 workers."""
    arch = ["--arch", "gnmt_moe_512h", "--vocabulary", "100"]
    (alone,) = counts(tmp_path, *arch).values()
    (shared,) = counts(tmp_path, *arch, "--workers", "8").values()
    (uneven,) = counts(tmp_path, *arch, "--workers", "5").values()
    of_all = alone["parameters"] - shared["parameters_per_worker"]
    # of 5 workers one has 4 groups of 32
    assert (alone["parameters"] - uneven["parameters_per_worker"]) * (512 - 64) == of_all * (
        512 - 4 * 32
    )


def test_options_and_files_change_the_model(tmp_path: Path) -> None:
    (few,) = counts(tmp_path, "--arch", "gnmt_moe_tiny", "--model", "experts=8", "k=2").values()
    (many,) = counts(tmp_path, "--arch", "gnmt_moe_tiny", "--model", "experts=16", "k=2").values()
    assert few["operations"]["experts"] == many["operations"]["experts"]
    assert few["parameters"] < many["parameters"]
    named = counts(tmp_path, "--arch", "gnmt_moe_512h")
    (of_file,) = counts(tmp_path, "--config", str(ROOT / "configs/gnmt_moe_512h.yaml")).values()
    assert of_file == named["gnmt_moe_512h"]


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (["--arch", "gnmt_moe_tiny", "--model", "experts"], "--model experts: write it as NAME="),
        (["--arch", "gnmt_moe_tiny", "--model", "expertz=3"], "the model's options: Key 'expertz'"),
        (["--arch", "gnmt_moe_tiny", "--model", "experts=x"], "the model's options: Value 'x'"),
        (["--arch", "gnmt_moe_512h", "--workers", "17"], "--workers 17: a mixture of 512 experts"),
        (["--config", "nowhere.yaml"], "nowhere.yaml: No such file or directory"),
        (["--config", str(ROOT / "README.md")], "describes no model: it needs a part model"),
    ],
)
def test_what_cannot_be_planned_is_one_sentence(arguments: list[str], sentence: str) -> None:
    with pytest.raises(SystemExit) as stop:
        main(arguments)
    assert str(stop.value.code).startswith("moe_nmt: ")
    assert sentence in str(stop.value.code)
