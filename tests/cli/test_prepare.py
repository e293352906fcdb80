"""moe-nmt-prepare on a user's own text, and a user's mistakes."""

from __future__ import annotations

import gzip
import hashlib
import importlib
import json
import os
import shlex
import shutil
import signal
import subprocess
import sys
from importlib.metadata import version
from pathlib import Path

import pytest
from commands import PLUGIN, ROOT, heed_interrupts, run_here, train_here
from miniature_wmt import tar

from moe_nmt.cli.pack import main as pack
from moe_nmt.cli.prepare import main
from moe_nmt.cli.subword import main as subword
from moe_nmt.corpus.subwords.moses import Moses
from moe_nmt.corpus.subwords.subword import undo, undo_of_tokens


@pytest.fixture
def folder(corpus: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The working folder, with a user's text: two training texts, one of them compressed."""
    monkeypatch.chdir(tmp_path)
    for language in ("en", "de"):
        lines = (corpus / f"train.{language}").read_bytes().splitlines(keepends=True)
        Path(f"a.{language}").write_bytes(b"".join(lines[:300]))
        Path("more").mkdir(exist_ok=True)
        Path(f"more/a.{language}.gz").write_bytes(gzip.compress(b"".join(lines[200:400])))
        for split in ("valid", "test"):
            text = (corpus / f"{split}.{language}").read_bytes()
            Path(f"{split}.{language}").write_bytes(text)
    return tmp_path


OWN = ["--train", "a.en", "a.de", "more/a.en.gz", "more/a.de.gz", "--valid", "valid.en", "valid.de"]
TESTS = ["--test", "test.en", "test.de", "valid.en", "valid.de"]
SMALL = ["--vocabulary", "300", "--workers", "2", "--destdir", "out"]


@pytest.mark.parametrize("method", ["sentencepiece", "bpe"])
def test_own_text_to_a_training_step(
    method: str, folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    options = [*OWN, *TESTS, *SMALL, "--subword", method, "--max-ratio", "9"]
    main(options)
    said = capsys.readouterr().out
    assert "[clean.a] done in " in said
    assert "[clean.a-2] done in " in said
    out = folder / "out"
    report = [line.split() for line in (out / "report.txt").read_text().splitlines()]
    assert report[1] == ["a", "300", "0", "0", "0", "0", "0", "0", "300"]
    assert report[2] == ["a-2", "200", "0", "0", "0", "0", "0", "100", "100"]
    assert report[3] == ["all", "500", "0", "0", "0", "0", "0", "100", "400"]
    for language in ("en", "de"):
        text = (out / f"text/train.{language}").read_text(encoding="utf-8")
        expected = (folder / f"a.{language}").read_text(encoding="utf-8")
        assert text.startswith(expected)
        pieces = (out / f"pieces/train.{language}").read_text(encoding="utf-8").splitlines()
        assert [undo(line) for line in pieces] == text.splitlines()
        for name, split in (("valid", "valid"), ("test", "test"), ("valid", "test1")):
            published = (out / f"published/{split}.{language}").read_bytes()
            assert published == (folder / f"{name}.{language}").read_bytes()
            assert (out / f"binarised/{split}.en-de.{language}.idx").is_file()
    dictionaries = [(out / f"binarised/dict.{name}.txt").read_bytes() for name in ("en", "de")]
    assert dictionaries[0] == dictionaries[1]
    assert 100 < dictionaries[0].count(b"\n") <= 304
    if method == "bpe":  # the other is trained on in tests/wmt14
        steps = said[said.index("next, train, pack and translate:\n") :].replace("\\\n", "")
        steps = steps.replace(" out/", f" {out}/")  # run_here goes to another folder
        _, training, packing, translating = steps.strip().split("\n\n")
        program, *arguments = shlex.split(training)
        assert program == "fairseq-train"
        assert arguments[arguments.index("--arch") + 1] == "gnmt_moe_multi30k"
        run_here("train", *arguments, "--max-update", "1", "--cpu")
        program, *arguments = shlex.split(packing)
        assert program == "moe-nmt-pack"
        pack(arguments)
        assert translating == f"moe-nmt-translate {out}/model < raw.en"
        assert (out / "model").is_dir()

    main([*options, "--languages", "en", "de"])  # as the names of the files say
    assert "done in" not in capsys.readouterr().out


def test_byte_pairs_of_moses_tokens_and_the_way_back(folder: Path) -> None:
    pytest.importorskip("sacremoses")
    main([*OWN, *TESTS[:3], *SMALL, "--subword", "moses-bpe", "--max-ratio", "9"])
    out, tokens = folder / "out", {}
    for language in ("en", "de"):
        moses = Moses(language, "", "")
        for split in ("train", "valid", "test"):
            text, tokens[language], pieces = (
                (out / f"{kind}/{split}.{language}").read_text(encoding="utf-8").splitlines()
                for kind in ("text", "tokens", "pieces")
            )
            assert tokens[language] == [*map(moses.corpus_tokens, text)]
            assert [*map(undo_of_tokens, pieces)] == tokens[language]
    manifest = json.loads((out / "manifest.json").read_text())
    assert manifest["tokens.train"]["recipe"]["sacremoses"] == version("sacremoses")
    assert list(manifest["subwords"]["inputs"]) == ["tokens/train.en", "tokens/train.de"]

    # fairseq's own options read a user's text as the model was trained on it ...
    encoders = importlib.import_module("fairseq.data.encoders.subword_nmt_bpe")
    config = encoders.SubwordNMTBPEConfig(bpe_codes=str(out / "subword.model"))
    assert [*map(encoders.SubwordNMTBPE(config).encode, tokens["de"])] == pieces
    # ... and write text, as our commands do; here of the references, which no model must learn
    checkpoint = train_here(out / "binarised", folder / "checkpoints", "--max-update", "1")
    generate = [str(out / "binarised"), *PLUGIN, "--path", checkpoint, "--score-reference"]
    options = ["--post-process", "subword_nmt", "--tokenizer", "moses"]
    options += ["--source-lang", "en", "--target-lang", "de"]
    for name, more in (("plain", []), ("undone", options)):
        run_here("generate", *generate, *more, "--results-path", folder / name)
        lists = folder / name / "generate-test.txt"
        subword(["text", "--input", str(lists), "--source", "test.en", "--output", f"{name}.de"])
    subword(["detokenize", "--language", "de", "--input", "plain.de", "--output", "plain-text.de"])
    published = (out / "published/test.de").read_text(encoding="utf-8")
    for name in ("plain-text.de", "undone.de"):
        assert Path(name).read_text(encoding="utf-8") == published


def test_sentences_in_another_language(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    pytest.importorskip("eldc")
    sides = [Path(f"a.{language}") for language in ("en", "de")]
    english, german = (path.read_text(encoding="utf-8") for path in sides)
    french = ["La femme regarde la lampe avec son frère.", "Nous avons acheté une belle robe."]
    sides[0].write_text("".join(f"{line}\n" for line in french) + english, encoding="utf-8")
    sides[1].write_text("Die Frau sieht die Lampe.\nWir haben es gekauft.\n" + german, "utf-8")
    options = [*OWN[:3], *OWN[5:], *SMALL, "--max-ratio", "9"]
    main(options)
    assert "language" not in (folder / "out/report.txt").read_text().splitlines()[0]
    main([*options, "--identify-languages"])
    said = capsys.readouterr().out
    assert "[clean.a] changed: eldc from None to " in said
    table = [line.split() for line in (folder / "out/report.txt").read_text().splitlines()[:2]]
    assert table[0][-6:] == ["ratio", "language", "held", "out", "duplicate", "kept"]
    assert table[1] == ["a", "302", "0", "0", "0", "0", "2", "0", "0", "300"]
    assert (folder / "out/text/train.en").read_text(encoding="utf-8") == english
    recipe = json.loads((folder / "out/manifest.json").read_text())["clean.a"]["recipe"]
    assert recipe["eldc"] == version("eldc")
    assert recipe["identify-languages"] == ["en", "de"]


def test_an_archive_whose_sides_differ_stops(folder: Path) -> None:
    archive = tar({"a.en": b"one\xe2\x80\xa8two\nthree", "a.de": b"eins\nzwei\ndrei"})
    Path("archives").mkdir()
    Path("archives/a.tar").write_bytes(archive)
    data = {
        "name": "a",
        "archive": {"urls": ["https://host/a.tar"], "md5": hashlib.md5(archive).hexdigest()},
        "pairs": {"en-de": {"members": {"en": "a.en", "de": "a.de"}}},
    }
    Path("a.yaml").write_text(json.dumps(data))
    options = ["--corpora", "a.yaml", "--archives", "archives", *OWN[5:], *SMALL]
    with pytest.raises(SystemExit, match=r"a.en has 2 lines but .*a.de has 3: archives/a.tar is n"):
        main(options)
    assert not (folder / "out/clean").exists()


def test_text_that_moved_is_known_again(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    main([*OWN, *SMALL])
    (folder / "moved").mkdir()
    for name in ("a.en", "a.de"):
        (folder / name).rename(folder / "moved" / name)
    (folder / "out").rename(folder / "elsewhere")
    capsys.readouterr()
    moved = [name.replace("a.", "moved/a.") if "/" not in name else name for name in OWN]
    main([*moved, *SMALL[:-1], "elsewhere"])
    assert "done in" not in capsys.readouterr().out


def test_the_sample_and_the_seed_decide_the_subwords(folder: Path) -> None:
    models = []
    for number, options in enumerate(
        [["--sample", "300"], ["--sample", "300"], ["--sample", "300", "--seed", "2"], []]
    ):
        main([*OWN, *SMALL[:-1], f"out{number}", *options])
        models.append((folder / f"out{number}/subword.model").read_bytes())
    assert models[0] == models[1]
    assert len({*models}) == 3


def cut_off(path: Path) -> None:
    path.write_bytes(path.read_bytes()[:-20])


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ("--train a.en a.de", "name a validation set with --valid or --valid-sets; training text"),
        ("--valid valid.en valid.de", "name text to train on with --train or --corpora"),
        ("--train a.en a.de more/a.en.gz --valid valid.en valid.de", "--train has 3 files: they"),
        ("--train a.en a.de --valid valid.de valid.en", "valid.de valid.en looks swapped: en com"),
        ("--train a.en a.xx --valid valid.en valid.de", "--train a.xx is no file"),
        ("--train a.en a.en --valid valid.en valid.de", "en cannot be both source and target"),
        ("--train a b --valid valid.en valid.de", "'' is no language: name both"),
        ("--train a.en a.de --valid valid.en test.de", "valid.en has 50 lines but test.de has 61"),
        ("--corpora x --valid-sets wmt12 --languages en de", "x is neither a .yaml file nor a tes"),
        ("--corpora x --valid-sets wmt12 --languages en de", "nor one of wmt14_commoncrawl, w"),
        ("--corpora wmt14_un --valid-sets wmt12 --languages en de", "un.yaml has no en-de: it has"),
        ("--corpora x.yaml --valid-sets wmt12 --languages en de", "cannot read x.yaml: No such"),
        ("--corpora a.yaml --valid-sets wmt12 --languages en de", "a.yaml is no corpus descriptio"),
        ("--corpora x.yaml --valid-sets wmt12", "name the two languages with --languages"),
        ("--corpora wmt12 --valid-sets wmt12 --languages en xx", "wmt12 has no en-xx: it has cs-"),
        ("--valid-sets wmt22 --train a.en a.de", "wmt22 is not one archive of two files: get its"),
        ("--train a.en a.de --valid valid.en valid.de --workers 0", "--workers must be at least 1"),
        ("--train a.en a.de --valid valid.en valid.de --max-ratio nan", "--max-ratio must be at l"),
        (
            "--train a.en a.de --valid valid.en valid.de --max-words 1",
            "the filters left none of 300 tr",
        ),
        (
            "--train a.en a.de --valid copy.en copy.de",
            "2 ratio, 298 held out): are the files text",
        ),
        ("--train a.en a.de --valid a.en a.de", "a.en is training text and a dev or test set at"),
        ("--train a.en a.de --valid valid.en valid.de --test ./a.en a.de", "a.en is training te"),
        ("--train a.en a.en --valid valid.en valid.de --languages en de", "a.en cannot be both so"),
        ("--train a.en a.de --valid valid.en link.de", "valid.en cannot be both source and target"),
        ("--train a.en a.de --valid none.en none.de", "none.en has no text: a dev or test set nee"),
        ("--train a.en a.de --valid valid.en blank.de", "blank.de has no text: a dev or test set"),
        ("--train none.en none.de --valid valid.en valid.de", "none.en and none.de are empty: na"),
        ("--train blank.en blank.de --valid valid.en valid.de", "50 empty): are the files text i"),
        (
            "--train latin.en latin.de --valid valid.en valid.de",
            "40 of the 60 pairs of latin.en and latin.de are not UTF-8: if a side is LATIN1, say, ",
        ),
        ("--train a.en a.de --valid valid.en valid.de --destdir a.en", "--destdir a.en is a file"),
        ("--train a.en a.de --valid valid.en valid.de --character-coverage 0", "more than 0 and a"),
        ("--train a.en a.de --valid valid.en valid.de --vocabulary 9", "--vocabulary 9 is fewer"),
        (
            "--corpora e.yaml e.yaml --train a.en a.de --valid valid.en valid.de",
            "two training texts are called europarl-v7",
        ),
        ("--train a.sgm b.sgm --languages en de --valid valid.en valid.de", "a.sgm is a test set"),
        (
            "--train b.en b.de --valid valid.en valid.de",
            "b.de.gz is not a whole compressed file: re",
        ),
    ],
)
def test_mistakes_are_one_sentence(
    options: str, message: str, folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (folder / "a.yaml").write_text("name: a\n")
    for name in ("a.sgm", "b.sgm"):
        (folder / name).write_text('<srcset><seg id="1">one</seg></srcset>')
    shutil.copy(ROOT / "data/wmt14_europarl.yaml", folder / "e.yaml")
    (folder / "b.en").write_bytes((folder / "a.en").read_bytes())
    (folder / "b.de.gz").write_bytes(gzip.compress((folder / "a.de").read_bytes())[:-20])
    for language in ("en", "de"):
        shutil.copy(f"a.{language}", f"copy.{language}")
        Path(f"none.{language}").touch()
        Path(f"blank.{language}").write_text(" \t\n" * 50)
    Path("latin.en").write_text("".join(f"A dog, {number}.\n" for number in range(60)))
    lines = [f"Ein Hünd{'chen' * (number < 20)}, {number}.\n" for number in range(60)]
    Path("latin.de").write_bytes(
        b"".join(line.encode("utf-8" if "chen" in line else "latin-1") for line in lines)
    )
    Path("link.de").symlink_to("valid.en")
    arguments = options.replace("b.de ", "b.de.gz ").split()
    with pytest.raises(SystemExit) as stop:
        main(["--destdir", "out", "--workers", "2", *arguments])
    said = capsys.readouterr().err if stop.value.code == 2 else str(stop.value)
    assert message in said
    assert "Traceback" not in said
    assert not list(folder.glob("out/**/*.part"))


@pytest.mark.parametrize(
    ("option", "package", "message"),
    [
        ("--subword=moses-bpe", "sacremoses", "Moses has no rules for the language x, only for as"),
        ("--identify-languages", "eldc", "--identify-languages does not know x, only am, ar"),
    ],
)
def test_unknown_languages_stop_before_any_work(
    option: str, package: str, message: str, folder: Path
) -> None:
    pytest.importorskip(package)
    with pytest.raises(SystemExit, match=message):
        main([*OWN, *SMALL, "--languages", "en", "x", option])
    assert not list(folder.glob("out/.stages/*.started"))


def test_a_folder_that_holds_other_things_is_left_alone(folder: Path) -> None:
    (folder / "out/text").mkdir(parents=True)
    (folder / "out/text/train.en").write_text("precious")
    with pytest.raises(SystemExit, match=r"train.en exists but this recipe did not make it"):
        main([*OWN, *SMALL])
    assert (folder / "out/text/train.en").read_text() == "precious"


@pytest.mark.parametrize(
    ("number", "word"), [(signal.SIGINT, "interrupted"), (signal.SIGTERM, "terminated")]
)
def test_a_stop_is_one_sentence_and_two_runs_do_not_meet(
    number: int, word: str, folder: Path
) -> None:
    program = [sys.executable, "-m", "moe_nmt.cli.prepare", *OWN, *SMALL]
    process = subprocess.Popen(
        program,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
        preexec_fn=heed_interrupts,
    )
    assert process.stdout is not None
    while not process.stdout.readline().startswith("[clean.a-2]"):
        pass
    os.killpg(process.pid, signal.SIGSTOP)  # so that it is not done before
    with pytest.raises(SystemExit, match=r"another run is at work in .*/out: wait for its end"):
        main([*OWN, *SMALL])
    os.killpg(process.pid, number)  # as Ctrl-C does, to the workers as well
    os.killpg(process.pid, signal.SIGCONT)
    _, said = process.communicate(timeout=120)
    assert said.endswith(f"\nmoe_nmt: {word}: run the same command again to go on\n")
    assert "Traceback" not in said
    assert process.returncode == 128 + number
    report = (folder / "out/report.txt").read_text().splitlines()
    assert report[0] == "stopped before the end: interrupted"
    assert report[3].split()[:5] == ["a", "300", "0", "0", "0"]
    main([*OWN, *SMALL])


def test_a_folder_of_another_pair_is_left_alone(folder: Path) -> None:
    main([*OWN, *SMALL])
    before = (folder / "out/binarised/dict.en.txt").stat().st_mtime_ns
    other = ["--train", "a.de", "a.en", "--valid", "valid.de", "valid.en"]
    with pytest.raises(SystemExit, match=r"out holds data from en to de, not from de to en: name"):
        main([*other, *SMALL])
    assert (folder / "out/binarised/dict.en.txt").stat().st_mtime_ns == before


def test_sides_that_are_odd_are_warned_of(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    for language, other in (("en", "de"), ("de", "en")):
        shutil.copy(f"a.{language}", f"swapped.{other}.txt")
        shutil.copy(f"test.{language}", f"test-swapped.{other}.txt")
        lines = Path("a.en").read_bytes().splitlines(keepends=True)
        Path(f"twice.{language}").write_bytes(b"".join(lines[:: 1 if language == "en" else -1]))
    shutil.copy("a.de", "a.fr")
    train = ["a.en", "a.de", "swapped.en.txt", "swapped.de.txt", "twice.en", "twice.de"]
    train += ["more/a.en.gz", "more/a.de.gz", "a.en", "a.fr"]
    test = ["test-swapped.en.txt", "test-swapped.de.txt", "test.en", "test.de"]
    main(["--train", *train, *OWN[5:], *SMALL, "--test", *test])
    warnings = [
        line.removeprefix("moe_nmt: warning: ")
        for line in capsys.readouterr().err.splitlines()
        if "look" in line or "taken for" in line
    ]
    assert warnings == [
        "a.fr is taken for de",
        "the sides of test look swapped beside those of valid: source files come before target f"
        "iles",
        "the sides of swapped.en.txt look swapped beside those of valid: source files come before "
        "target files",
        "both sides of twice look like one language: is a file named twice?",
    ]


def test_pairs_of_a_set_with_an_empty_side_are_counted(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    lines = Path("valid.de").read_text(encoding="utf-8").splitlines()
    Path("valid.de").write_text("\n".join(["", " \u2028", *lines[2:]]) + "\n", encoding="utf-8")
    main([*OWN, *SMALL])
    assert "warning: 2 of the 50 pairs of valid have an empty side: no line of" in (
        capsys.readouterr().err
    )


def sha256(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()


def test_what_was_prepared_stands_in_one_file(folder: Path) -> None:
    text = (folder / "more/a.en.gz").read_bytes(), (folder / "more/a.de.gz").read_bytes()
    archive = tar({"x.en": gzip.decompress(text[0]), "x.de": gzip.decompress(text[1])})
    Path("archives").mkdir()
    Path("archives/x.tar").write_bytes(archive)
    data = {
        "name": "x",
        "archive": {"urls": ["https://host/x.tar"], "md5": hashlib.md5(archive).hexdigest()},
        "pairs": {"en-de": {"members": {"en": "x.en", "de": "x.de"}}},
        "licence": "Yours\nto use.",
        "citations": ["A. Author (2001)"],
    }
    Path("x.yaml").write_text(json.dumps(data))
    options = [*OWN[:3], *OWN[5:], *TESTS, *SMALL, "--max-ratio", "9", "--corpora", "x.yaml"]
    main([*options, "--archives", "archives", "--subword", "bpe"])
    out = folder / "out"
    found = json.loads((out / "preparation.json").read_text(encoding="utf-8"))
    assert found["format"] == 1
    assert found["languages"] == {"source": "en", "target": "de"}
    assert found["subwords"] == {
        "method": "bpe",
        "file": "subword.model",
        "sha256": sha256(out / "subword.model"),
        "reused": False,
        "symbols": [],
    }
    assert found["tokenisation"] is None
    dictionary = sha256(out / "binarised/dict.en.txt")
    assert found["dictionaries"] == {
        "joined": True,
        "source": {"file": "binarised/dict.en.txt", "sha256": dictionary},
        "target": {"file": "binarised/dict.de.txt", "sha256": dictionary},
    }
    assert found["training"]["pairs"] == 400
    x, a = found["training"]["corpora"]
    assert x == {
        "name": "x",
        "pairs": 200,
        "pairs_before_cleaning": 200,
        "licence": "Yours to use.",
        "citations": ["A. Author (2001)"],
    }
    assert (a["pairs"], a["pairs_before_cleaning"], a["licence"]) == (200, 300, None)
    assert [*found["held_out"]] == ["valid", "test", "test1"]
    assert found["held_out"]["test"]["lines"] == 61
    assert found["versions"]["subword-nmt"] == version("subword-nmt")
    assert found["command"].startswith("moe-nmt-prepare --train a.en a.de --valid valid.en")
    with pytest.raises(SystemExit):
        main([*options, "--archives", "archives", "--subword", "bpe", "--max-words", "1"])
    assert not (out / "preparation.json").exists()


BAD_LINES = {
    "not UTF-8": (b"good", b"\xfcber"),
    "empty": (b"good", b" "),
    "too long": (b"good " * 200, b"gut " * 200),
    "ratio": (b"one two three", b"eins"),
    "held out": (b"Known to the test set.", b"Noch nie gesehen, nicht wahr?"),
    "duplicate": (b"The same again.", b"Noch einmal."),
    "copied": (b"copy %d", b"copy %d"),
}


@pytest.mark.parametrize("reason", BAD_LINES)
def test_a_filter_that_takes_much_is_warned_of(
    reason: str, folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    source, target = BAD_LINES[reason]
    for language, line in (("en", source), ("de", target)):
        lines = Path(f"a.{language}").read_bytes().splitlines(keepends=True)[:120]
        bad = [line.replace(b"%d", b"%d" % number) + b"\n" for number in range(60)]
        Path(f"a.{language}").write_bytes(b"".join([*bad, *lines[:90]]))
        Path(f"b.{language}").write_bytes(b"".join([*lines[90:], *bad[:5]]))
    Path("test.en").write_text("Known to the test set.\n")
    Path("test.de").write_text("Bekannt.\n")
    options = ["--train", "a.en", "a.de", "b.en", "b.de", *OWN[5:], *TESTS[:3], *SMALL]
    main([*options, "--max-ratio", "2.5"])
    said = capsys.readouterr()
    taken = 59 if reason == "duplicate" else 60
    what = "are the same on both sides" if reason == "copied" else f"are gone as {reason}"
    warning = f"warning: {taken} of the 150 pairs of a ({taken / 150:.0%}) {what}: "
    assert f"moe_nmt: {warning}" in said.err
    assert warning in (folder / "out/report.txt").read_text()
    assert " pairs of b " not in said.err or reason in ("duplicate", "copied")
    if reason in ("not UTF-8", "ratio"):
        assert f"    90 of 150 pairs left, 60 {reason}\n" in said.out
        assert f"    30 of 35 pairs left, 5 {reason}\n" in said.out


def test_the_report_of_a_run_that_fails(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    Path("b.en").write_text("one\n")
    Path("b.de").write_text("eins\nzwei\n")
    with pytest.raises(SystemExit, match=r"moe_nmt: b.en has 1 lines but b.de has 2"):
        main(["--train", "a.en", "a.de", "b.en", "b.de", *OWN[5:], *SMALL])
    report = (folder / "out/report.txt").read_text()
    assert report.startswith("stopped before the end: b.en has 1 lines but b.de has 2: they are no")
    assert "\na           300 " in report
    assert report in capsys.readouterr().out
