"""moe-nmt-inspect prints the balance of a trained model's experts."""

import json
import sys
from pathlib import Path

import pytest

from moe_nmt.cli.inspect import main


def inspect(monkeypatch: pytest.MonkeyPatch, *arguments: object) -> None:
    monkeypatch.setattr(sys, "argv", ["moe-nmt-inspect", *map(str, arguments)])
    main()


@pytest.mark.parametrize("split", ["valid", "test"])
def test_one_line_for_each_mixture(
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    checkpoint: Path,
    binarised: Path,
    split: str,
) -> None:
    inspect(monkeypatch, checkpoint, binarised, "--split", split)
    head, *rows = capsys.readouterr().out.splitlines()
    assert head.split() == (
        ["mixture", "experts", "CV(importance)", "CV(load)", "max/mean", "load", "unused"]
    )
    assert [row.split()[:2] for row in rows] == [["encoder_1", "4"], ["decoder_1", "4"]]
    figures = [[float(value) for value in row.split()[2:]] for row in rows]
    for importance_cv, load_cv, max_over_mean, unused in figures:
        assert 0 < importance_cv < 3**0.5  # that of one expert alone
        assert 0 < load_cv < 1  # that of 2 of 4 experts
        assert 1 < max_over_mean < 2
        assert unused == 0


def test_the_size_of_batches_does_not_matter(
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    checkpoint: Path,
    binarised: Path,
) -> None:
    inspect(monkeypatch, checkpoint, binarised)
    expected = capsys.readouterr().out
    inspect(monkeypatch, checkpoint, binarised, "--max-tokens", 50)
    assert capsys.readouterr().out == expected


def test_what_is_no_checkpoint_is_refused(
    monkeypatch: pytest.MonkeyPatch, checkpoint: Path, binarised: Path, tmp_path: Path
) -> None:
    bad = tmp_path / "bad.pt"
    for content in (checkpoint.read_bytes()[:-100], b"text\n"):
        bad.write_bytes(content)
        with pytest.raises(SystemExit, match=f"^moe_nmt: {bad} is not a whole checkpoint"):
            inspect(monkeypatch, bad, binarised)
    with pytest.raises(SystemExit, match=f"^moe_nmt: {tmp_path} is a folder"):
        inspect(monkeypatch, tmp_path, binarised)


@pytest.mark.parametrize("missing", ["checkpoint", "data", "split"])
def test_what_is_missing_is_named(
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    checkpoint: Path,
    binarised: Path,
    missing: str,
) -> None:
    absent = binarised / "absent"
    paths = [
        absent if missing == "checkpoint" else checkpoint,
        absent if missing == "data" else binarised,
    ]
    with pytest.raises(SystemExit) as stopped:
        inspect(monkeypatch, *paths, "--split", "dev" if missing == "split" else "valid")
    told = capsys.readouterr().err + str(stopped.value.code)
    expected = "has no dev" if missing == "split" else f"{absent} does not exist"
    assert expected in told


def test_each_expert_is_told_of_as_text_and_in_files(
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    checkpoint: Path,
    binarised: Path,
    tmp_path: Path,
) -> None:
    tsv, as_json, page = (tmp_path / f"experts.{kind}" for kind in ("tsv", "json", "html"))
    options = ["--experts", "--tsv", tsv, "--json", as_json, "--html", page, "--sentences", 7]
    options += ["--contexts", 2, "--words", 3]
    inspect(monkeypatch, checkpoint, binarised, *options)
    text = capsys.readouterr().out
    mixtures = json.loads(as_json.read_text(encoding="utf-8"))
    assert [mixture["name"] for mixture in mixtures] == ["encoder_1", "decoder_1"]
    for mixture in mixtures:
        experts = mixture["experts"]
        assert sum(expert["share"] for expert in experts) == pytest.approx(2)  # k
        for expert in experts:
            gates = [context["gate"] for context in expert["contexts"]]
            assert gates == sorted(gates, reverse=True)
            assert len(gates) == 2
            assert f"  expert {expert['number']}: {expert['share']:.2%} of the tokens" in text
            assert 0 < len(expert["read"]) <= 3
            assert all(value["count"] >= 5 for value in expert["read"])
    assert mixtures[0]["experts"][0]["predicted"] == []
    head, *rows = tsv.read_text(encoding="utf-8").splitlines()
    assert head.split("\t")[:3] == ["mixture", "expert", "group"]
    assert len(rows) == 8

    assert page.read_text(encoding="utf-8").count('"number":') >= 7

    before = text, *(path.read_bytes() for path in (tsv, as_json, page))
    inspect(monkeypatch, checkpoint, binarised, *options)
    again = (path.read_bytes() for path in (tsv, as_json, page))
    assert (capsys.readouterr().out, *again) == before

    inspect(monkeypatch, checkpoint, binarised)  # both passes tell the same balance
    assert text.startswith(capsys.readouterr().out)
