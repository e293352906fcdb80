from pathlib import Path

import pytest
from commands import usage_error

from moe_nmt.cli.subword import main
from moe_nmt.corpus.subwords.subword import load
from moe_nmt.errors import UserError


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The working folder, with some text in two languages."""
    monkeypatch.chdir(tmp_path)
    Path("en").write_text("A man and a dog.\nThe dog and the man.\n" * 5)
    Path("de").write_text("Ein Mann und ein Hund.\nDer Hund\u00a0und der Mann.\n" * 5)
    return tmp_path


@pytest.mark.parametrize("method", ["sentencepiece", "bpe"])
def test_learn_apply_undo(method: str, folder: Path) -> None:
    main(f"learn --input en de --method {method} --vocabulary 28 --output model".split())
    main(
        [
            "apply",
            "--model",
            "model",
            "--input",
            "en",
            "de",
            "--output",
            "pieces.en",
            "pieces.de",
            "--sample",
            "2",
        ]
    )
    main(["undo", "--input", "pieces.en", "pieces.de", "--output", "text.en", "text.de"])
    assert Path("text.en").read_text() == Path("en").read_text() * 2
    assert Path("text.de").read_text() == Path("de").read_text().replace("\u00a0", " ") * 2
    assert Path("pieces.en").read_text() != Path("text.en").read_text()


def test_byte_pairs_of_tokens_and_back(folder: Path) -> None:
    pytest.importorskip("sacremoses")
    text = 'He said "no" to a well-known man & his dog\'s friend.\n' * 9
    Path("en").write_text(text)
    options = ["--method", "moses-bpe", "--vocabulary", "45"]
    main(["tokenize", "--language", "en", "--input", "en", "--output", "tokens", "--workers", "2"])
    main(["learn", "--input", "tokens", "--output", "model", *options])
    main(["apply", "--model", "model", "--input", "tokens", "--output", "pieces"])
    main(["undo", "--input", "pieces", "--output", "undone"])
    main(["detokenize", "--language", "en", "--input", "undone", "--output", "text"])
    tokens = Path("tokens").read_text()
    assert tokens.startswith(
        "He said &quot; no &quot; to a well @-@ known man &amp; his dog &apos;s "
    )
    assert "@@ " in Path("pieces").read_text()
    assert Path("undone").read_text() == tokens
    assert Path("text").read_text() == text


def test_text(folder: Path) -> None:
    Path("generated").write_text("H-1\t-1.0\t▁two\nH-0\t-1.0\t▁o ne\n", encoding="utf-8")
    Path("source").write_text("eins\nzwei\n")
    main(["text", "--input", "generated", "--source", "source", "--output", "out"])
    assert Path("out").read_text() == "one\ntwo\n"


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ("apply --model m --input a b --output c", "2 files of --input but 1 of --output"),
        ("undo --input a --output b c", "1 files of --input but 2 of --output"),
        ("learn --input a --output m --method words", "invalid choice: 'words'"),
        ("", "the following arguments are required: COMMAND"),
    ],
)
def test_wrong_options(options: str, message: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert message in usage_error(main, options, capsys)


def test_a_missing_file(folder: Path) -> None:
    with pytest.raises(SystemExit, match="moe_nmt: cannot read absent: No such file"):
        main(["learn", "--input", "absent", "--output", "model"])


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ("learn --input t --output t --vocabulary 9", "t is an input too and would be lost"),
        ("apply --model m --input t --output link", "link is an input too and would be lost"),
        ("apply --model m --input t --output m", "m is an input too"),
        ("apply --model m --input t t --output x ./x", "x is named for two outputs: give each its"),
        ("undo --input t --output sub/../t", "is an input too"),
    ],
)
def test_no_input_is_written_over(
    arguments: str, message: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    for name in ("t", "m"):
        Path(name).write_text("a dog\n")
    Path("sub").mkdir()
    Path("link").symlink_to("t")
    with pytest.raises(SystemExit) as stop:
        main(arguments.split())
    assert message in str(stop.value)
    assert Path("t").read_text() == Path("m").read_text() == "a dog\n"
    assert not Path("x").exists()


@pytest.mark.parametrize("model", ["", "#version: 0.2\nen\n"])
def test_what_is_no_model_is_a_users_error(model: str, tmp_path: Path) -> None:
    """subword-nmt ends the process, and SentencePiece takes nothing for a model."""
    (tmp_path / "model").write_text(model)
    with pytest.raises(UserError, match="model is no model of subwords: make it with"):
        load(tmp_path / "model")


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ("apply --model m --input t --output x --workers 0", "must be at least 1, not 0"),
        ("learn --input t --output x --seed -1", "must be from 0 to 4294967295, not -1"),
        ("learn --input t --output x --seed 4294967296", "must be from 0 to 4294967295"),
        ("learn --input t --output x --sample 0", "must be at least 1, not 0"),
    ],
)
def test_numbers_out_of_their_limits(
    options: str, message: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert message in usage_error(main, options, capsys)
