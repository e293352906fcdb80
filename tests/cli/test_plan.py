"""moe-nmt-plan prints parameters and operations of the named architectures."""

import subprocess
import sys

import pytest

from moe_nmt.cli.plan import main
from moe_nmt.models.architectures import ARCHITECTURES


def plan(monkeypatch: pytest.MonkeyPatch, *arguments: str) -> None:
    monkeypatch.setattr(sys, "argv", ["moe-nmt-plan", *arguments])
    main()


def test_one_line_for_each_architecture_asked_for(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    plan(monkeypatch, "gnmt_moe_2048h", "gnmt_dense", "--vocabulary", "32768")
    _, head, *rows = capsys.readouterr().out.splitlines()
    kinds = ["LSTM", "experts", "gates", "attention", "softmax"]
    assert head.split() == ["parameters", "operations", *kinds]
    assert [row.split() for row in rows] == [
        ["gnmt_moe_2048h", "8694.4", "85.62", "51.38", "16.78", "0.16", "0.52", "16.78"],
        ["gnmt_dense", "102.3", "68.68", "51.38", "0.00", "0.00", "0.52", "16.78"],
    ]


def test_without_names_all_are_told(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    plan(monkeypatch, "--vocabulary", "100")
    rows = capsys.readouterr().out.splitlines()[2:]
    assert [row.split()[0] for row in rows] == list(ARCHITECTURES)


def test_an_unknown_architecture_is_named(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit):
        plan(monkeypatch, "gnmt_moe_64")
    told = capsys.readouterr().err.splitlines()[-1]
    assert told.startswith("moe-nmt-plan: error: there is no architecture 'gnmt_moe_64': choose")


def test_fairseq_has_nothing_to_say() -> None:
    arguments = ["moe-nmt-plan", "gnmt_dense"]
    done = subprocess.run(arguments, capture_output=True, text=True, check=True)
    assert done.stderr == ""
