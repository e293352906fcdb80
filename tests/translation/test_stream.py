"""moe-nmt-translate: streams of lines."""

from __future__ import annotations

import bz2
import contextlib
import gzip
import json
import lzma
import os
import pty
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from commands import ROOT, heed_interrupts, usage_error

from moe_nmt import load
from moe_nmt.cli import translate
from moe_nmt.translation.translator import Translator
from moe_nmt.translation.windows import windows

SHORT = ["--max-len-a", "0", "--max-len-b", "20"]  # it has hardly learnt to end a sentence
COMMAND = [sys.executable, "-m", "moe_nmt.cli.translate"]


@pytest.fixture(scope="module")
def translator(folder: Path) -> Translator:
    return load(folder)


Run = Callable[..., list[str]]


@pytest.fixture
def here(
    translator: Translator, folder: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> Run:
    """Runs the command in this process, its model loaded once: the lines it writes."""
    monkeypatch.setattr("moe_nmt.translation.loading.load", lambda *_, **__: translator)
    monkeypatch.setattr("moe_nmt.translation.windows.signal.signal", lambda *_: None)

    def run(text: bytes, *options: str) -> list[str]:
        (tmp_path / "in").write_bytes(text)
        with (tmp_path / "in").open("rb") as source, (tmp_path / "out").open("wb") as output:
            monkeypatch.setattr("sys.stdin", source)
            monkeypatch.setattr("sys.stdout", output)
            translate.main([str(folder), *SHORT, *options])
        written = (tmp_path / "out").read_bytes().decode("utf-8")
        assert written.endswith("\n") or not written
        return written.removesuffix("\n").split("\n")

    return run


@pytest.fixture(scope="module")
def text(corpus: Path) -> bytes:
    return (corpus / "test.en").read_bytes()


def test_line_for_line(here: Run, translator: Translator, text: bytes) -> None:
    lines = text.decode("utf-8").splitlines()
    expected = [str(one) for one in translator.translate(lines, max_len_a=0.0, max_len_b=20)]
    assert here(text) == expected
    assert here(text, "--window", "7", "--max-tokens", "50") == expected
    assert here(text.removesuffix(b"\n")) == expected
    assert here(text.replace(b"\n", b"\r\n")) == expected


def test_as_many_lines_come_out_as_go_in(here: Run) -> None:
    assert here(b"\n\n") == ["", ""]
    assert here(b"") == [""]
    odd = "a\rdog\x0bis\u2028here\u0085\n\ufeff\na\x00dog\n \t\n".encode()
    found = here(odd)
    assert len(found) == 4
    assert [bool(line) for line in found] == [True, False, True, False]


def test_columns(here: Run, translator: Translator, text: bytes) -> None:
    lines = text.decode("utf-8").splitlines()[:3]
    found = translator.translate(lines, nbest=2, max_len_a=0.0, max_len_b=20)
    rows = here(text, "--nbest", "2", "--scores", "--alignment")[:6]
    expected = [
        "\t".join(
            [
                str(number),
                f"{hypothesis.score:.4f}",
                hypothesis.text,
                " ".join(f"{s}-{t}" for s, t in hypothesis.alignment),
            ]
        )
        for number, translation in enumerate(found, start=1)
        for hypothesis in translation.hypotheses
    ]
    assert [row.split("\t")[0] for row in rows] == ["1", "1", "2", "2", "3", "3"]
    assert [row.split("\t")[2:] for row in rows] == [row.split("\t")[2:] for row in expected]
    for row, wanted in zip(rows, expected, strict=True):
        assert float(row.split("\t")[1]) == pytest.approx(float(wanted.split("\t")[1]), abs=2e-4)
    assert here(b"\n", "--scores", "--alignment") == ["0.0000\t\t"]


def test_json_lines(here: Run, text: bytes) -> None:
    rows = [json.loads(line) for line in here(text + b"\n", "--json-lines", "--nbest", "2")]
    assert [row["line"] for row in rows] == list(range(1, 63))
    assert rows[0]["source"] == text.decode("utf-8").splitlines()[0]
    assert [len(row["hypotheses"]) for row in rows] == [2] * 61 + [1]
    assert rows[-1]["hypotheses"][0]["text"] == ""
    best = [row["hypotheses"][0]["text"] for row in rows[:-1]]
    assert best == [row.split("\t")[1] for row in here(text, "--nbest", "2")[::2]]


def test_bad_bytes_are_told_of(here: Run, capsys: pytest.CaptureFixture[str]) -> None:
    assert len(here(b"a dog\nan \xff\n\xc3\n")) == 3
    said = capsys.readouterr().err
    assert "moe_nmt: line 2 is not UTF-8: what cannot be read in it is taken as U+FFFD" in said
    assert "moe_nmt: 2 lines were not UTF-8" in said


def test_a_long_line_is_told_of_once(here: Run, capsys: pytest.CaptureFixture[str]) -> None:
    long = b"a" * 10_001 + b"\n"  # one word, and quickly translated
    here(b"a dog\n" + long * 2, "--max-len-a", "0", "--max-len-b", "2")
    said = capsys.readouterr().err
    assert said.count("may take long") == 1
    assert "line 2 has 10,001 characters and may take long: --split-longer-than 200" in said


def test_text_that_begins_like_a_compressed_file_is_text(here: Run) -> None:
    assert len(here(b"BZh is a mark\n")) == 1


def test_a_foreign_text_is_told_of(here: Run, capsys: pytest.CaptureFixture[str]) -> None:
    here(b"qux quux corge grault garply\n" * 12)
    assert "the model does not know 100% of the subwords of this text" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("data", "words"),
    [
        (gzip.compress(b"a dog", mtime=0), "the text is compressed: pipe it through zcat"),
        (lzma.compress(b"a dog"), "the text is compressed: pipe it through xzcat"),
        (bz2.compress(b"a dog"), "the text is compressed: pipe it through bzcat"),
        ("a dog".encode("utf-16"), "the text is UTF-16: make it UTF-8 first by iconv -f UTF-16 "),
        ("a dog".encode("utf-32"), "the text is UTF-32: make it UTF-8 first by iconv -f UTF-32 "),
        ("a dog".encode("utf-16-le"), "the text is binary, or UTF-16LE without a mark"),
    ],
)
def test_what_is_no_text_is_refused(here: Run, data: bytes, words: str) -> None:
    with pytest.raises(SystemExit, match=words):
        here(data)


@pytest.mark.parametrize(
    ("options", "words"),
    [
        (["--beam", "0"], "--beam must be at least 1, not 0"),
        (["--beam", "2", "--nbest", "3"], "--nbest must be at most the beam, 2, not 3"),
        (["--max-len-b", "0"], "--max-len-b must be from 1 to 1000000, not 0"),
        (["--max-len-b", str(1 << 70)], "--max-len-b must be from 1 to"),
        (["--max-len-a", "1e300"], "--max-len-a must be from 0 to 1000"),
        (["--token-pruning", "-1"], "--token-pruning must be at least 0"),
        (["--length-penalty-alpha", "nan"], "--length-penalty-alpha must be at least 0"),
    ],
)
def test_options_outside_their_limits(here: Run, options: list[str], words: str) -> None:
    with pytest.raises(SystemExit, match=f"moe_nmt: {words}"):
        here(b"a dog", *options)


@pytest.mark.parametrize("option", ["nbest", "max-tokens", "window"])
def test_counts_are_positive(option: str, capsys: pytest.CaptureFixture[str]) -> None:
    said = usage_error(translate.main, f"folder --{option} 0", capsys)
    assert f"argument --{option}: must be at least 1, not 0" in said


@pytest.mark.parametrize("threads", ["0", "5000", "99999999999"])
def test_threads_are_as_many_as_can_start(threads: str, capsys: pytest.CaptureFixture[str]) -> None:
    said = usage_error(translate.main, f"folder --threads {threads}", capsys)
    assert f"argument --threads: must be from 1 to 1024, not {threads}" in said


def test_a_full_disk_is_a_sentence(
    folder: Path, translator: Translator, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr("moe_nmt.translation.loading.load", lambda *_, **__: translator)
    monkeypatch.setattr("moe_nmt.translation.windows.signal.signal", lambda *_: None)
    (tmp_path / "in").write_text("a dog\n")
    with (tmp_path / "in").open("rb") as source, Path("/dev/full").open("wb") as output:
        monkeypatch.setattr("sys.stdin", source)
        monkeypatch.setattr("sys.stdout", output)
        with pytest.raises(SystemExit, match="cannot write the translations: No space left"):
            translate.main([str(folder), *SHORT])


def test_windows_take_what_is_there() -> None:
    reader, writer = os.pipe()
    found = windows(reader, 3)
    os.write(writer, b"one\ntwo\nthr")
    assert next(found) == [b"one", b"two"]
    os.write(writer, b"ee\n4\n5\n6\n7")
    assert next(found) == [b"three", b"4", b"5"]
    os.close(writer)
    assert list(found) == [[b"6", b"7"]]
    os.close(reader)


def start(folder: Path, **options: Any) -> subprocess.Popen[bytes]:
    """The command in a process of its own."""
    return subprocess.Popen(
        [*COMMAND, str(folder), *SHORT, "--window", "50"],
        cwd=ROOT,
        preexec_fn=heed_interrupts,
        **options,
    )


def test_a_pipe_is_answered_before_its_end_and_signals_leave_whole_lines(folder: Path) -> None:
    """One process: a line is answered while the pipe is open; then SIGTERM, status 143."""
    with start(folder, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as process:
        assert process.stdin is not None
        assert process.stdout is not None
        process.stdin.write(b"a dog\n")
        process.stdin.flush()
        assert process.stdout.readline().endswith(b"\n")
        process.stdin.write(b"the man sees the dog\n" * 2500)  # what the pipe can hold
        process.stdin.flush()
        assert process.stdout.readline().endswith(b"\n")
        process.send_signal(signal.SIGTERM)
        rest = process.stdout.read()
    assert process.returncode == 143
    assert rest.endswith(b"\n") or not rest
    assert len(rest.splitlines()) < 2500


def test_a_keyboard_is_answered_at_once_and_ctrl_c_is_quiet(folder: Path) -> None:
    main, terminal = pty.openpty()
    with start(folder, stdin=terminal, stdout=subprocess.PIPE, stderr=subprocess.PIPE) as process:
        assert process.stdout is not None
        assert process.stderr is not None
        os.write(main, b"a dog\n")
        first = process.stdout.readline()
        os.write(main, b"the cat\n")
        second = process.stdout.readline()
        process.send_signal(signal.SIGINT)
        said = process.stderr.read()
    os.close(main)
    os.close(terminal)
    assert process.returncode == 130
    assert said == b""
    assert first.endswith(b"\n")
    assert second.endswith(b"\n")


def test_a_closed_pipe_ends_it_quietly(folder: Path) -> None:
    with start(
        folder, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE
    ) as process:
        assert process.stdin is not None
        assert process.stdout is not None
        assert process.stderr is not None
        process.stdout.close()
        with contextlib.suppress(BrokenPipeError):
            process.stdin.write(b"a dog\n")
            process.stdin.flush()
        said = process.stderr.read()
    assert process.returncode == 141
    assert said == b""


def test_a_write_is_ended_before_a_signal_is_heeded() -> None:
    reader, writer = os.pipe()
    program = (
        "import os, sys\n"
        "from moe_nmt.translation.windows import WholeWrites\n"
        "WholeWrites().write(int(sys.argv[1]), b'x' * 300_000 + b'\\n')\n"
    )
    with subprocess.Popen(
        [sys.executable, "-c", program, str(writer)],
        cwd=ROOT,
        pass_fds=[writer],
        preexec_fn=heed_interrupts,
    ) as process:
        os.close(writer)
        first = os.read(reader, 1)  # it is within the write, whose pipe holds less than this
        process.send_signal(signal.SIGTERM)
        with os.fdopen(reader, "rb") as file:
            rest = file.read()
    assert first + rest == b"x" * 300_000 + b"\n"
    assert process.returncode == 143
