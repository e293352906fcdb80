"""moe-nmt-prepare --monolingual: from one language's text to a language model."""

from __future__ import annotations

import bz2
import json
import shlex
from collections import Counter
from pathlib import Path

import pytest
from commands import run_here

from moe_nmt import load
from moe_nmt.cli.pack import main as pack
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
    train, evaluate, packing, going_on = (
        shlex.split(part.replace("\\\n", " ")) for part in said.split("\n\n")[-4:]
    )
    assert train[0] == "fairseq-train"
    tiny = ["--arch", "lstm_moe_lm_tiny", "--max-update", "2", "--cpu", "--num-workers", "0"]
    run_here("train", *train[1:], *tiny)
    assert evaluate[0] == "fairseq-eval-lm"
    run_here("eval_lm", *evaluate[1:], "--cpu", "--num-workers", "0")
    assert "test" in evaluate
    assert packing[0] == "moe-nmt-pack"
    pack(packing[1:])
    assert going_on[0] == "moe-nmt-translate"
    (completion,) = load(going_on[1]).complete(["The man"], max_len_b=5)
    assert completion.text.startswith("The man")
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


def test_another_encoding_is_named(folder: Path) -> None:
    Path("a.en").write_bytes("caf\u00e9 \n".encode("latin-1") * 20)
    with pytest.raises(SystemExit) as stop:
        main([*TEXT[:4], *TEXT[5:], *SMALL])
    assert "not UTF-8: if it is LATIN1, say, make it UTF-8 first by iconv" in str(stop.value.code)


def test_a_file_without_text(folder: Path) -> None:
    Path("empty.en").write_text("")
    with pytest.raises(SystemExit, match=r"empty\.en is empty: name files with text"):
        main([*TEXT[:2], "--train", "empty.en", *TEXT[5:], *SMALL])
    with pytest.raises(SystemExit, match=r"empty\.en has no text: a dev or test set needs"):
        main([*TEXT[:5], "--valid", "empty.en", *SMALL])


def test_what_was_lost_is_told_of_sentences(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    Path("a.en").write_text("\n" * 20 + "".join(f"line {n} of them\n" for n in range(30)))
    main([*TEXT, *SMALL])
    told = capsys.readouterr()
    assert "20 of the 50 lines of a (40%) are gone as empty: a sentence has no text" in (
        told.out + told.err
    )
    assert " side" not in told.err


def test_nothing_left_names_the_limits_of_one_language(folder: Path) -> None:
    Path("a.en").write_text("a much too long line of words\n" * 9)
    with pytest.raises(SystemExit) as stop:
        main([*TEXT[:4], *TEXT[5:], *SMALL, "--max-words", "2"])
    assert str(stop.value.code).endswith("are the files text in UTF-8, and --max-words right?")


def test_a_folder_of_a_pair_is_not_taken(folder: Path) -> None:
    main([*TEXT, *SMALL])
    for name in ("b.en", "b.de", "c.en", "c.de"):
        Path(name).write_text("".join(f"{name} {n}\n" for n in range(50)))
    pair = ["--languages", "en", "de", "--train", "b.en", "b.de", "--valid", "c.en", "c.de"]
    with pytest.raises(SystemExit, match="holds data of en alone, not from en to de"):
        main([*pair, *SMALL])


def test_whole_words_of_a_miniature_of_the_billion_word_benchmark(
    folder: Path, corpus: Path
) -> None:
    """Its archive's folders as tar leaves them; docs/language_models.md has this command."""
    lines = list(dict.fromkeys((corpus / "train.en").read_text().splitlines(keepends=True)))
    root = Path("1-billion-word-language-modeling-benchmark-r13output")
    train, held_out = (
        root / f"{part}-monolingual.tokenized.shuffled" for part in ("training", "heldout")
    )
    for place in (train, held_out):
        place.mkdir(parents=True)
    shards = [train / f"news.en-0000{n}-of-00100" for n in (1, 2)]
    for shard, part in zip(shards, (lines[:150], lines[150:300]), strict=True):
        shard.write_text("".join(part))
    sets = [held_out / f"news.en.heldout-0000{n}-of-00050" for n in (0, 1)]
    for file, split in zip(sets, ("test", "valid"), strict=True):
        file.write_text((corpus / f"{split}.en").read_text())
    options = ["--subword", "words", "--vocabulary", "400", "--destdir", str(folder / "out")]
    main(
        [
            *("--monolingual", "en", "--train", *map(str, shards)),
            *("--valid", str(sets[1]), "--test", str(sets[0]), *options),
        ]
    )
    counts = Counter(word for line in lines[:300] for word in line.split())
    dictionary = (folder / "out/binarised/dict.txt").read_text().splitlines()
    found = [line.split() for line in dictionary if not line.startswith("madeupword")]
    assert len(found) == 400
    assert {word: int(count) for word, count in found}.items() <= counts.items()
    assert min(int(count) for _, count in found) == sorted(counts.values())[-400]
    words = {word for word, _ in found}
    test = [line.split() for line in (corpus / "test.en").read_text().splitlines()]
    unknown = sum(word not in words for line in test for word in line)
    sizes = table(folder / "out")["test"]
    assert sizes == ["en", str(len(test)), str(sum(map(len, test))), str(unknown)]
    result = json.loads((folder / "out/preparation.json").read_text())
    assert result["subwords"] is None
    assert not (folder / "out/subword.model").exists()


def test_whole_words_are_for_one_language(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    pair = ["--train", "a.en", "valid.en", "--valid", "a.en", "valid.en"]
    with pytest.raises(SystemExit):
        main(["--languages", "en", "de", *pair, *SMALL, "--subword", "words"])
    assert "for language models: add --monolingual" in capsys.readouterr().err
