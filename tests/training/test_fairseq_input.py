"""What people type into fairseq-interactive, and ask of fairseq-generate."""

from __future__ import annotations

import io
from pathlib import Path

import pytest
from commands import PLUGIN, SHORT, SIZES, hypotheses, run_here


def interactive(binarised: Path, checkpoint: Path, *options: object) -> str:
    arguments = [binarised, *PLUGIN, "--path", checkpoint, "--beam", "2", *SHORT, *options]
    return run_here("interactive", *arguments)


def typed(text: bytes, monkeypatch: pytest.MonkeyPatch) -> None:
    """Puts bytes on the standard input, whose encoding is strict."""
    monkeypatch.setattr("sys.stdin", io.TextIOWrapper(io.BytesIO(text), encoding="ascii"))


def test_bad_bytes_and_blank_lines_are_answered(
    binarised: Path, checkpoint: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    typed("the dog\n\n \na \xff dog\nthe dog\n".encode("latin-1"), monkeypatch)
    found = hypotheses(interactive(binarised, checkpoint, "--buffer-size", "5"))
    assert found.keys() == {0, 1, 2, 3, 4}
    assert found[1] == found[2] == ""
    assert found[0] == found[4] != ""
    assert found[3]


def test_raw_text_is_warned_of(
    binarised: Path,
    checkpoint: Path,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    typed(b"qux quux the corge\n", monkeypatch)
    interactive(binarised, checkpoint)
    assert "moe_nmt: 3 of these 4 words are unknown" in caplog.text
    assert "moe-nmt-translate" in caplog.text
    caplog.clear()
    typed(b"the the the qux\n", monkeypatch)
    interactive(binarised, checkpoint)
    assert "unknown" not in caplog.text


def test_inputs_that_cannot_be_read(binarised: Path, checkpoint: Path, tmp_path: Path) -> None:
    latin = tmp_path / "latin"
    latin.write_bytes("schön\n".encode("latin-1"))
    for path, words in (
        (tmp_path / "no", "--input .*no: No such file"),
        (latin, "--input .*latin is not UTF-8: if it is LATIN1"),
        (tmp_path, "--input .*: Is a directory"),
    ):
        with pytest.raises(SystemExit, match=f"^moe_nmt: {words}"):
            interactive(binarised, checkpoint, "--input", path)


@pytest.mark.parametrize("command", ["interactive", "generate"])
def test_moses_needs_languages(command: str, binarised: Path, checkpoint: Path) -> None:
    options = [binarised, *PLUGIN, "--path", checkpoint, "--tokenizer", "moses"]
    with pytest.raises(SystemExit, match="--tokenizer moses needs both languages: give -s and -t"):
        run_here(command, *options)


def test_training_text_is_translated_whole(binarised: Path, checkpoint: Path) -> None:
    """In training long pairs may be left out; in translation none is too long for --max-tokens."""
    options = [binarised, *PLUGIN, "--path", checkpoint, "--gen-subset", "train", "--beam", "1"]
    found = hypotheses(run_here("generate", *options, "--max-tokens", "9", *SHORT))
    assert found.keys() == set(range(SIZES["train"]))
