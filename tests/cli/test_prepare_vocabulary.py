"""moe-nmt-prepare: how many subwords, and those of a model that exists already."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from moe_nmt.cli.prepare import build_parser, main, take_wmt14

TRAIN = ["--train", "a.en", "a.de"]
VALID = ["--valid", "valid.en", "valid.de", "--workers", "1", "--max-ratio", "9"]


@pytest.fixture
def folder(corpus: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The working folder, with a user's text."""
    monkeypatch.chdir(tmp_path)
    for language in ("en", "de"):
        for name, split in (("a", "train"), ("valid", "valid")):
            text = (corpus / f"{split}.{language}").read_bytes()
            Path(f"{name}.{language}").write_bytes(text)
    return tmp_path


def write(name: str, source: str, target: str) -> None:
    for language, text in (("en", source), ("de", target)):
        Path(f"{name}.{language}").write_text(text, encoding="utf-8")


def dictionary(folder: str, language: str = "en") -> list[str]:
    return Path(folder, f"binarised/dict.{language}.txt").read_text(encoding="utf-8").splitlines()


@pytest.mark.parametrize("method", ["sentencepiece", "bpe"])
@pytest.mark.parametrize(
    ("source", "target"),
    [
        ("One man.\n", "Ein Mann.\n"),
        ("a\nb\nc\n", "x\ny\nz\n"),
        ("The same sentence.\n", "Derselbe Satz.\n"),
        ("他在花园里\n他说话\n", "하나\n둘\n"),
        ("x" * 1900 + "\n", "y" * 1900 + "\n"),
        ("tab\tand\x00null\n", "Tab\tund\x00Null\n"),
    ],
    ids=["one", "letters", "same", "other scripts", "giant word", "controls"],
)
def test_the_smallest_texts_need_no_option(
    method: str, source: str, target: str, folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    write("a", source, target)
    main([*TRAIN, *VALID, "--destdir", "out", "--subword", method])
    count = source.count("\n")
    assert f" subwords of {count:,} pairs: --vocabulary N for another" in capsys.readouterr().out
    assert len(dictionary("out")) % 8 == 4
    assert json.loads(Path("out/preparation.json").read_text())["training"]["pairs"] == count


def test_more_subwords_than_the_text_has(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    main([*TRAIN, *VALID, "--destdir", "out", "--vocabulary", "32000"])
    warning = "warning: --vocabulary 32000 is more than the text has: "
    assert f"moe_nmt: {warning}" in capsys.readouterr().err
    assert warning in Path("out/report.txt").read_text()
    assert 500 < len(dictionary("out")) < 2000
    main([*TRAIN, *VALID, "--destdir", "out", "--vocabulary", "32000"])
    assert f"moe_nmt: {warning}" in capsys.readouterr().err  # of stages that are skipped, too


def test_wmt14_keeps_the_papers_vocabulary() -> None:
    parser = build_parser()
    for more, size in (([], 32_000), (["--vocabulary", "8000"], 8000)):
        args = parser.parse_args(["--wmt14", "en-fr", "--destdir", "out", *more])
        take_wmt14(parser, args)
        assert args.vocabulary == size


def test_fewer_subwords_than_characters_stop_before_the_cleaning(folder: Path) -> None:
    with pytest.raises(SystemExit, match=r"--vocabulary 20 is fewer than the .* at least \d\d$"):
        main([*TRAIN, *VALID, "--destdir", "out", "--vocabulary", "20"])
    assert not Path("out/clean").exists()


@pytest.mark.parametrize("method", ["sentencepiece", "bpe", "moses-bpe"])
def test_subwords_and_dictionary_of_a_model_that_exists(
    method: str, folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    if method == "moses-bpe":
        pytest.importorskip("sacremoses")
    main([*TRAIN, *VALID, "--destdir", "old", "--vocabulary", "200", "--subword", method])
    write("new", "Žluťoučký man.\nTwo men.\n", "Der Žluťoučký.\nZwei Männer.\n")
    options = ["--train", "new.en", "new.de", *VALID, "--destdir", "new"]
    reuse = ["--subword-model", "old/subword.model", "--dictionaries", "old"]
    capsys.readouterr()
    main([*options, *reuse])
    assert "of the" in (said := capsys.readouterr().err)
    assert "subwords of train.en (" in said
    assert "are not in the dictionary, so unknown to a model: --extend-dictionari" in said
    assert Path("new/subword.model").read_bytes() == Path("old/subword.model").read_bytes()
    assert dictionary("new") == dictionary("old") == dictionary("new", "de")
    found = json.loads(Path("new/preparation.json").read_text())["subwords"]
    assert (found["method"], found["reused"]) == (method, True)

    main([*options, *reuse, "--extend-dictionaries"])
    assert "subwords added to the dictionary of en" in capsys.readouterr().out
    old, new = dictionary("old"), dictionary("new")
    assert new[: len(old)] == old
    assert any("\u017d" in line or "\u0165" in line for line in new[len(old) :])
    assert len({line.split()[0] for line in new}) == len(new)
    assert len(new) % 8 == 4
    report = Path("new/report.txt").read_text().splitlines()
    assert [line.split()[-1] for line in report if line.startswith("train ")] == ["0", "0"]

    main([*options, *reuse, "--extend-dictionaries", "--vocabulary", "1"])  # no room
    assert dictionary("new") == old


@pytest.mark.parametrize(
    "options",
    [
        "--subword-model out/subword.model",
        "--subword-model codes --dictionaries out",
        "--test out/published/valid.en valid.de",
    ],
)
def test_a_run_does_not_read_what_it_writes(options: str, folder: Path) -> None:
    main([*TRAIN, *VALID, "--destdir", "out", "--vocabulary", "90", "--subword", "bpe"])
    before = Path("out/subword.model").read_bytes()
    Path("codes").write_bytes(before)
    with pytest.raises(SystemExit, match=r"out/.* is what a run in --destdir out writes, and ca"):
        main([*TRAIN, *VALID, "--destdir", "out", *options.split()])
    assert Path("out/subword.model").read_bytes() == before


def test_dictionaries_that_differ_grow_each_by_its_own_side(folder: Path) -> None:
    main([*TRAIN, *VALID, "--destdir", "old", "--vocabulary", "200"])
    Path("theirs").mkdir()
    Path("theirs/dict.en.txt").write_text("\u2581the 9\n\u2581a 5 #fairseq:overwrite\n", "utf-8")
    Path("theirs/dict.de.txt").write_text("\u2581der 9\n\u2581a 5\n", encoding="utf-8")
    reuse = ["--subword-model", "old/subword.model", "--dictionaries", "theirs"]
    main([*TRAIN, *VALID, "--destdir", "new", *reuse, "--extend-dictionaries"])
    source, target = dictionary("new"), dictionary("new", "de")
    assert source[:2] == ["\u2581the 9", "\u2581a 5 #fairseq:overwrite"]
    assert target[:2] == ["\u2581der 9", "\u2581a 5"]
    assert source[2:] != target[2:]
    assert json.loads(Path("new/preparation.json").read_text())["dictionaries"]["joined"] is False


@pytest.mark.parametrize("method", ["sentencepiece", "bpe"])
@pytest.mark.parametrize("size", [[], ["--vocabulary", "90"]])
def test_own_symbols(method: str, size: list[str], folder: Path) -> None:
    lines = Path("a.en").read_text(encoding="utf-8").splitlines()
    text = "".join(f"<2de> {line}\n" for line in lines)
    Path("a.en").write_text(text, encoding="utf-8")
    symbols = ["--symbols", "<2de>", "<2fr>"]
    main([*TRAIN, *VALID, *size, "--destdir", "out", "--subword", method, *symbols])
    counts = dict(line.rsplit(" ", 1) for line in dictionary("out"))
    pieces = Path("out/pieces/train.en").read_text(encoding="utf-8").splitlines()
    assert all(line.split()[1] == "<2de>" for line in pieces)
    assert (counts["<2de>"], counts["<2fr>"]) == (str(len(pieces)), "0")  # one is never seen
    found = json.loads(Path("out/preparation.json").read_text(encoding="utf-8"))
    assert found["subwords"]["symbols"] == ["<2de>", "<2fr>"]


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ("--dictionaries old", "--dictionaries belong to subwords: name these with --subword-mod"),
        ("--extend-dictionaries", "--extend-dictionaries needs --dictionaries"),
        ("--symbols <s>", "--symbols <s>: fairseq has it already, for itself"),
        ("--symbols <a> --subword moses-bpe", "--symbols: Moses' rules take symbols apart, in"),
        ("--symbols <a> --subword-model codes", "--symbols are learned with the subwords: --su"),
        ("--subword-model x", "cannot read x: No such file"),
        ("--subword-model a.en", "a.en is no model of subwords"),
        ("--subword-model codes --subword sentencepiece", "codes is of --subword bpe, not sent"),
        ("--subword-model codes --dictionaries .", "--dictionaries . has no dict.en.txt and dict"),
        ("--subword-model codes --dictionaries bad", "line 2 of bad/dict.en.txt is no word with"),
    ],
)
def test_mistakes_are_one_sentence(
    options: str, message: str, folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    Path("codes").write_text("#version: \u2581 0.2\n\u2581 d\n", encoding="utf-8")
    Path("bad").mkdir()
    for language in ("en", "de"):
        Path(f"bad/dict.{language}.txt").write_text("the 9\nno count\n")
    with pytest.raises(SystemExit) as stop:
        main([*TRAIN, *VALID, "--destdir", "out", *options.split()])
    said = capsys.readouterr().err if stop.value.code == 2 else str(stop.value)
    assert message in said
    assert not list(folder.glob("out/**/*.part"))
