"""The recipe scripts/multi30k.sh and its parts, on a small corpus in the published form."""

from __future__ import annotations

import gzip
import hashlib
import os
import random
import re
import subprocess
from pathlib import Path

import pytest
import yaml
from http_server import serve

from moe_nmt.corpus.sources import download as downloading
from moe_nmt.corpus.sources.download import download
from moe_nmt.corpus.sources.multi30k import get_raw, read_description
from moe_nmt.errors import UserError

ROOT = Path(__file__).resolve().parents[1]
TEST = "test_2016_flickr"
NOUNS = {"man": "Mann", "dog": "Hund", "ball": "Ball", "tree": "Baum", "father": "Vater"}
VERBS = {"sees": "sieht", "takes": "nimmt", "knows": "kennt", "holds": "hält"}


def sentences(language: str) -> list[str]:
    """100 sentences that say the same in English and German."""
    first, second = {"en": ("The", "the"), "de": ("Der", "den")}[language]

    def words(dictionary: dict[str, str]) -> list[str]:
        return [*dictionary] if language == "en" else [*dictionary.values()]

    all_of_them = [
        f"{first} {subject} {verb} {second} {thing}."
        for subject in words(NOUNS)
        for verb in words(VERBS)
        for thing in words(NOUNS)
    ]
    random.Random(1).shuffle(all_of_them)
    return all_of_them


def publish(folder: Path, url: str = "http://127.0.0.1:9/{split}.{language}.gz") -> Path:
    """Writes the files and returns the path of their description."""
    splits: dict[str, dict[str, object]] = {}
    folder.mkdir(parents=True, exist_ok=True)
    for name, first, last in (("train", 0, 60), ("val", 60, 70), (TEST, 70, 80)):
        sums = {}
        for language in ("en", "de"):
            text = ("\n".join(sentences(language)[first:last]) + "\n").encode()
            if name == TEST:
                text = text.replace(b" ", "\u00a0".encode(), 1)
            (folder / f"{name}.{language}.gz").write_bytes(gzip.compress(text, mtime=0))
            sums[language] = hashlib.sha256(text).hexdigest()
        splits[name] = {"lines": last - first, "sha256": sums}
    description = folder / "corpus.yaml"
    description.write_text(yaml.safe_dump({"url": url, "splits": splits}))
    return description


def script(*arguments: object, cwd: Path) -> subprocess.CompletedProcess[str]:
    """Runs the recipe from some other folder."""
    return subprocess.run(
        [ROOT / "scripts" / "multi30k.sh", *map(str, arguments)],
        cwd=cwd,
        env={**os.environ, "no_proxy": "127.0.0.1"},
        capture_output=True,
        text=True,
        check=False,
    )


def states(output: str) -> dict[str, str]:
    """The last thing said of each stage."""
    said = [line[1:].split("] ", 1) for line in output.splitlines() if line.startswith("[")]
    return {stage: what.split(",")[0].split(" in ")[0] for stage, what in said}


def contents(folder: Path) -> dict[str, bytes]:
    """What lies in a folder."""
    return {path.name: path.read_bytes() for path in sorted(folder.iterdir())}


def test_from_a_folder_to_binarised_data(tmp_path: Path) -> None:
    description = publish(tmp_path / "published")
    options = ["en", "de", "--raw", "published", "--data", description, "--out", "out"]
    options += ["--vocabulary", 45, "--samples", 3, "--threads", 1, "--until", "binarise"]
    stages = ["raw", "normalise", "vocabulary", "subword-train", "subword-held-out", "binarise"]

    first = script(*options, cwd=tmp_path)
    assert first.returncode == 0, first.stderr
    assert states(first.stdout) == dict.fromkeys(stages, "done")
    out = tmp_path / "out"
    reference = (out / f"raw/{TEST}.de").read_text(encoding="utf-8")
    assert reference.startswith("Der\u00a0")
    assert (out / f"normalised/{TEST}.de").read_text(encoding="utf-8").startswith("Der ")
    assert len((out / "pieces/train.en").read_text(encoding="utf-8").splitlines()) == 180
    assert len((out / "pieces/val.de").read_text(encoding="utf-8").splitlines()) == 10
    dictionaries = [
        (out / f"binarised/dict.{language}.txt").read_text() for language in ("en", "de")
    ]
    assert dictionaries[0] == dictionaries[1] != ""
    assert (out / "binarised/test.en-de.de.bin").stat().st_size > 0

    # Nothing is done twice, wherever the folder now lies.
    out.rename(tmp_path / "moved")
    options[options.index("out")] = "moved"
    again = script(*options, cwd=tmp_path)
    assert states(again.stdout) == dict.fromkeys(stages, "up to date")
    assert again.stderr == ""

    # Another option redoes what depends on it, and only that.
    options[options.index("--samples") + 1] = 2
    options[-1] = "subword-held-out"
    changed = script(*options, cwd=tmp_path)
    assert "[subword-train] changed: the command; running again\n" in changed.stdout
    assert states(changed.stdout) == {
        **dict.fromkeys(stages[:-1], "up to date"), "subword-train": "done",
    }  # fmt: skip
    assert len((tmp_path / "moved/pieces/train.en").read_bytes().splitlines()) == 120


def test_downloads_are_tried_again(tmp_path: Path) -> None:
    with serve(tmp_path / "published") as server:
        description = publish(tmp_path / "published", server.address + "/{split}.{language}.gz")
        server.faults |= {"train.en.gz": ["503"], "val.de.gz": ["cut"]}
        options = ["de", "en", "--data", description, "--out", tmp_path / "out", "--until", "raw"]
        got = script(*options, cwd=tmp_path)
    assert got.returncode == 0, got.stderr
    assert states(got.stdout) == {"raw": "done"}
    assert "train.en.gz: the server answered 503 Service Unavailable; trying again" in got.stderr
    size = (tmp_path / "published/val.de.gz").stat().st_size
    assert f"val.de.gz: only {size // 2} of {size} bytes came; trying again" in got.stderr
    assert len(server.requests) == 8
    assert server.asked("val.de.gz") == [None, f"bytes={size // 2}-"]
    expected = contents(tmp_path / "published")
    assert expected.pop("corpus.yaml")
    assert contents(tmp_path / "out/download") == expected
    assert contents(tmp_path / "out/raw") == {
        name.removesuffix(".gz"): gzip.decompress(data) for name, data in expected.items()
    }


def test_a_download_that_cannot_be_is_one_sentence(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(downloading, "FIRST_WAIT", 0.0)
    monkeypatch.setenv("no_proxy", "127.0.0.1")
    target = tmp_path / "file"
    tmp_path.joinpath("served").mkdir()
    with (
        serve(tmp_path / "served") as server,
        pytest.raises(UserError, match=r"/absent: the server answered 404 .*; check .*yourself$"),
    ):
        download([f"{server.address}/absent"], target)
    assert len(server.asked("absent")) == 1
    with pytest.raises(UserError, match=r"cannot download .*: .*[Rr]efused"):
        download([server.address], target)
    with pytest.raises(UserError, match="cannot download nowhere: that is no address"):
        download(["nowhere"], target)
    assert [path.name for path in tmp_path.iterdir()] == ["served"]


def damage_lines(path: Path) -> None:
    path.write_bytes(gzip.compress(gzip.decompress(path.read_bytes()) + b"one more\n"))


def damage_words(path: Path) -> None:
    path.write_bytes(gzip.compress(gzip.decompress(path.read_bytes()).replace(b"man", b"men")))


def cut(path: Path) -> None:
    path.write_bytes(path.read_bytes()[:-9])


@pytest.mark.parametrize(
    ("damage", "message"),
    [
        (damage_lines, r"train.en.gz has 61 lines, not 60: get it again"),
        (damage_words, r"train.en.gz is not the published text: its sha256 is \w+, not \w+: get"),
        (cut, r"train.en.gz is not a whole compressed file: remove it and get it again"),
        (Path.unlink, r"has neither train.en.gz nor train.en: name the folder"),
    ],
)
def test_raw_files_are_checked(damage: object, message: str, tmp_path: Path) -> None:
    corpus = read_description(publish(tmp_path))
    assert callable(damage)
    damage(tmp_path / "train.en.gz")
    with pytest.raises(UserError, match=message):
        get_raw(corpus, ("en", "de"), tmp_path, tmp_path / "download", tmp_path / "raw")


def test_uncompressed_files_will_do(tmp_path: Path) -> None:
    corpus = read_description(publish(tmp_path))
    for path in tmp_path.glob("*.gz"):
        path.with_suffix("").write_bytes(gzip.decompress(path.read_bytes()))
        path.unlink()
    get_raw(corpus, ("en", "de"), tmp_path, tmp_path / "download", tmp_path / "raw")
    assert len(contents(tmp_path / "raw")) == 6


def test_the_description_of_multi30k() -> None:
    corpus = read_description(ROOT / "data/multi30k.yaml")
    assert {name: split.lines for name, split in corpus.splits.items()} == {
        "train": 29000, "val": 1014, TEST: 1000,
    }  # fmt: skip
    assert corpus.url.format(split="val", language="fr").endswith("/task1/raw/val.fr.gz")
    for split in corpus.splits.values():
        assert sorted(split.sha256) == ["de", "en", "fr"]
        assert {len(digest) for digest in split.sha256.values()} == {64}


@pytest.mark.parametrize(
    ("options", "status", "message"),
    [
        ([], 2, "name two languages, SRC and TGT"),
        (["en", "de", "--until", "lunch"], 2, "--until knows no stage lunch"),
        (["en", "de", "--max-epoch", "3"], 2, "unknown option --max-epoch"),
        (["en", "de", "--seed"], 2, "--seed needs a value"),
        (["en", "de", "--subword", "words"], 2, "--subword is sentencepiece or bpe"),
        (["en", "de", "--out", "/dev/null/runs"], 2, "/dev/null/runs cannot be made a folder"),
        (["en", "en"], 1, "en cannot be both source and target"),
        (["en", "cs"], 1, "the corpus has no cs: choose from de, en, fr"),
        (["en", "de", "--raw", "/nowhere"], 1, "/nowhere has neither train.en.gz nor train.en"),
    ],
)
def test_mistakes(options: list[str], status: int, message: str, tmp_path: Path) -> None:
    done = script(*options, cwd=tmp_path)
    assert done.returncode == status
    assert message in done.stderr
    assert "Traceback" not in done.stderr


def test_help_names_every_stage(tmp_path: Path) -> None:
    shown = script("--help", cwd=tmp_path).stdout
    commands = (ROOT / "scripts/multi30k.sh").read_text()
    names = [line.split()[1] for line in commands.splitlines() if line.startswith("stage ")]
    assert len(names) == 11
    assert all(f"\n  {name} " in shown for name in names)


@pytest.mark.slow
@pytest.mark.parametrize("method", ["sentencepiece", "bpe"])
def test_to_the_score(method: str, tmp_path: Path) -> None:
    description = publish(tmp_path / "published")
    options = ["en", "de", "--raw", "published", "--data", description, "--out", method]
    options += ["--subword", method, "--vocabulary", 45, "--arch", "gnmt_moe_tiny"]
    options += ["--threads", 1, "--average", 2, "--"]
    options += ["--max-epoch", 40, "--max-tokens", 300, "--warmup-updates", 20]
    done = script(*options, cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    out = tmp_path / method
    assert len((out / "hypothesis.de").read_text(encoding="utf-8").splitlines()) == 10
    score = (out / "score.txt").read_text()
    bleu = re.search(r"BLEU\|.*\|case:mixed\|.*\|tok:13a\|[^=]*= (\d+\.\d+) ", score)
    assert bleu is not None
    assert float(bleu[1]) > 50
    assert done.stdout.endswith(score)
    skipped = script(*options, cwd=tmp_path)
    assert set(states(skipped.stdout).values()) == {"up to date"}
    assert skipped.stdout.endswith(score)
