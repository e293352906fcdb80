"""moe-nmt-prepare --monolingual: from one language's text to a language model."""

from __future__ import annotations

import bz2
import json
import shlex
from pathlib import Path

import pytest
from commands import run_here

from moe_nmt.cli.prepare import main


@pytest.fixture
def folder(corpus: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The working folder: text in two files, one of them compressed, with odd lines in both."""
    monkeypatch.chdir(tmp_path)
    lines = (corpus / "train.en").read_text().splitlines(keepends=True)
    lines = list(dict.fromkeys(lines))
    held_out = (corpus / "valid.en").read_text().splitlines(keepends=True)
    odd = ["\n", f"{'word ' * 70}\n", lines[0], held_out[3].upper()]
    Path("a.en").write_text("".join([*lines[:200], *odd]))
    Path("more.bz2").write_bytes(bz2.compress("".join(lines[150:300]).encode() + b"\xff\n"))
    for split in ("valid", "test"):
        Path(f"{split}.en").write_bytes((corpus / f"{split}.en").read_bytes())
    return tmp_path


TEXT = ["--monolingual", "en", "--train", "a.en", "more.bz2", "--valid", "valid.en"]
SMALL = ["--vocabulary", "300", "--workers", "2", "--destdir", "out", "--max-words", "60"]


def table(out: Path) -> dict[str, list[str]]:
    """The rows of the report, by their first word."""
    rows = [line.split() for line in (out / "report.txt").read_text().splitlines() if line]
    return {row[0]: row[1:] for row in rows}


@pytest.mark.parametrize("method", ["sentencepiece", "bpe", "moses-bpe"])
def test_text_to_perplexity_by_the_commands_that_are_printed(
    method: str, folder: Path, corpus: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    main(
        [*TEXT, "--test", "test.en", *SMALL, "--subword", method, "--destdir", str(folder / "out")]
    )
    said = capsys.readouterr().out
    out = folder / "out"
    rows = table(out)
    # a.en: a duplicate, an empty, a long line and one of the validation set; of more.bz2, 50 again
    held = set(map(str.casefold, (corpus / "valid.en").read_text().splitlines()))
    lines = dict.fromkeys((corpus / "train.en").read_text().splitlines())
    assert not held & set(map(str.casefold, lines))
    assert rows["training"][:5] == ["lines", "not", "UTF-8", "empty", "too"]
    assert rows["a"] == ["204", "0", "1", "1", "1", "1", "200"]
    assert rows["more"] == ["151", "1", "0", "0", "0", "50", "100"]
    names = sorted(path.name for path in (out / "binarised").iterdir())
    parts = [f"{split}.{kind}" for split in ("test", "train", "valid") for kind in ("bin", "idx")]
    assert names == sorted(["dict.txt", *parts])
    result = json.loads((out / "preparation.json").read_text())
    assert result["languages"] == {"source": "en"}
    assert result["training"]["pairs"] == 300
    train, evaluate = (shlex.split(part.replace("\\\n", " ")) for part in said.split("\n\n")[-2:])
    assert train[0] == "fairseq-train"
    tiny = ["--arch", "lstm_moe_lm_tiny", "--max-update", "2", "--cpu", "--num-workers", "0"]
    run_here("train", *train[1:], *tiny)
    assert evaluate[0] == "fairseq-eval-lm"
    run_here("eval_lm", *evaluate[1:], "--cpu", "--num-workers", "0")
    assert "test" in evaluate
    main(
        [*TEXT, "--test", "test.en", *SMALL, "--subword", method, "--destdir", str(folder / "out")]
    )  # all of it is there
    assert "done in" not in capsys.readouterr().out


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["--languages", "en", "de"], "--languages is for pairs: leave out --monolingual"),
        (["--corpora", "wmt14_europarl"], "--corpora is for pairs"),
        (["--max-ratio", "2"], "--max-ratio is for pairs"),
        (["--monolingual", "../en"], "name a language, letters and digits"),
    ],
)
def test_what_pairs_have_is_refused(
    options: list[str], message: str, folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit) as stop:
        main([*TEXT, *SMALL, *options])
    assert stop.value.code == 2
    assert message in capsys.readouterr().err
    assert not Path("out").exists()


def test_a_file_without_text(folder: Path) -> None:
    Path("empty.en").write_text("")
    with pytest.raises(SystemExit, match=r"empty\.en is empty: name files with text"):
        main([*TEXT[:2], "--train", "empty.en", *TEXT[5:], *SMALL])
    with pytest.raises(SystemExit, match=r"empty\.en has no text: a dev or test set needs"):
        main([*TEXT[:5], "--valid", "empty.en", *SMALL])


def test_a_folder_of_a_pair_is_not_taken(folder: Path) -> None:
    main([*TEXT, *SMALL])
    for name in ("b.en", "b.de", "c.en", "c.de"):
        Path(name).write_text("".join(f"{name} {n}\n" for n in range(50)))
    pair = ["--languages", "en", "de", "--train", "b.en", "b.de", "--valid", "c.en", "c.de"]
    with pytest.raises(SystemExit, match="holds data of en alone, not from en to de"):
        main([*pair, *SMALL])
