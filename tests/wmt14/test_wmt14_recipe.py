"""WMT'14 in miniature, from URL to a training step: what becomes of the text, what is redone."""

from __future__ import annotations

import json
import re
import shutil
from pathlib import Path

import pytest
from commands import train_here
from http_server import Server
from miniature_wmt import (
    DEV,
    HELD_OUT,
    PAIRS,
    TAKEN,
    TEST,
    TRAP_DUPLICATES,
    TRAPS,
    Miniature,
    contents,
)
from sacrebleu.dataset import DATASETS

from moe_nmt.cli.prepare import main
from moe_nmt.corpus.sources.registry import read_description

LEFT = [left for *_, left in TRAPS if left not in TAKEN]  # source sides of the traps


def rows(folder: Path) -> dict[str, list[int]]:
    """The first table of the report: corpus -> numbers."""
    table = (folder / "report.txt").read_text(encoding="utf-8").split("\n\n")[0]
    lines = [line.split() for line in table.splitlines()[1:]]
    return {name: [int(number) for number in numbers] for name, *numbers in lines}


def lines(path: Path) -> list[str]:
    """The lines of a text: \\n alone ends one."""
    text = path.read_bytes().decode("utf-8")
    assert text.endswith("\n")
    return text[:-1].split("\n")


def test_every_filter_is_counted(miniature: Miniature, undisturbed: Path) -> None:
    names = [read_description(path, ("en", miniature.languages[1])).name
             for path in miniature.corpora]  # fmt: skip
    found = rows(undisturbed)
    assert list(found) == [*names, "all"]
    for number, name in enumerate(names):
        duplicates = TRAP_DUPLICATES if number else 0
        kept = PAIRS + len(LEFT) - duplicates
        total = PAIRS + len(TRAPS) + TAKEN["held out"]
        assert found[name] == [total, *TAKEN.values(), duplicates, kept]
    assert found["all"] == [sum(column) for column in zip(*map(found.get, names), strict=True)]
    report = (undisturbed / "report.txt").read_text()
    assert re.search(r"training +pairs +not UTF-8 +empty +too long +ratio +held out +dup", report)
    assert re.search(rf"\nvalid +en +{2 * HELD_OUT} ", report)
    assert re.search(rf"\nwmt14_full.en.sgm +{3 * (HELD_OUT - 2)} +0\n", report)
    assert re.search(rf"\nwmt14_full..*.sgm +{HELD_OUT - 2} +{HELD_OUT - 2}\n", report)


def test_both_sides_stay_aligned(miniature: Miniature, undisturbed: Path) -> None:
    source, target = (lines(undisturbed / f"text/train.{name}") for name in miniature.languages)
    assert len(source) == len(target) == rows(undisturbed)["all"][-1]
    assert source[: len(LEFT)] == LEFT
    assert target[: len(LEFT)][3:5] == ["un deux cinq", "un deux six"]
    assert len(set(zip(source, target, strict=True))) == len(source)


def test_held_out_sets_are_sacrebleus(
    miniature: Miniature, undisturbed: Path, tmp_path: Path
) -> None:
    """The text to score against is what sacreBLEU makes of the same files, to the byte."""
    for name, split in ((TEST, "test"), (DEV[0], "valid")):
        for language in miniature.languages:
            expected = tmp_path / language
            raw = undisturbed / f"raw/{name.replace('/', '_')}.{language}.sgm"
            DATASETS[name]._convert_format(str(raw), str(expected))
            published = lines(undisturbed / f"published/{split}.{language}")
            assert published[:HELD_OUT] == lines(expected)
    source, target = (lines(undisturbed / f"text/test.{name}") for name in miniature.languages)
    assert source[3].endswith(' "R&D" 3')  # escaped: every ampersand began an entity
    assert target[3].endswith(" R&D &amp; 3")  # not escaped
    assert len(source) == len(target) == HELD_OUT


def test_it_trains(undisturbed: Path, tmp_path: Path) -> None:
    train_here(undisturbed / "binarised", tmp_path, "--max-update", "2")
    assert (tmp_path / "checkpoint_last.pt").is_file()


def states(said: str) -> dict[str, str]:
    """The last thing said of each stage."""
    found = (line[1:].split("] ", 1) for line in said.splitlines() if line.startswith("["))
    return {stage: what.split(" in ")[0] for stage, what in found}


def redone(said: str) -> list[str]:
    """The stages that were not skipped."""
    return [name for name, state in states(said).items() if state == "done"]


@pytest.fixture
def copied(miniature: Miniature, undisturbed: Path, tmp_path: Path) -> Path:
    """A finished run in a folder of its own, without archives."""
    folder = tmp_path / "dest"
    shutil.copytree(undisturbed, folder, ignore=shutil.ignore_patterns("archives"))
    return folder


def test_nothing_is_done_twice_nor_downloaded(
    miniature: Miniature, copied: Path, published: Server, capsys: pytest.CaptureFixture[str]
) -> None:
    before, asked = contents(copied), len(published.requests)
    main(miniature.options(copied, "--workers", 1))  # workers change nothing
    assert set(states(capsys.readouterr().out).values()) == {"up to date, skipped"}
    assert contents(copied) == before
    assert len(published.requests) == asked


def test_other_options_redo_what_depends_on_them(
    miniature: Miniature, copied: Path, undisturbed: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    main(miniature.options(copied, "--max-words", 9))
    said = capsys.readouterr().out
    assert "[clean.europarl-v7] changed: max-words from 175 to 9; running again\n" in said
    assert "[train] changed: clean/commoncrawl." in said
    assert "[raw.europarl-v7] up to date" in said
    assert "[held-out.test] up to date" in said
    assert {"clean.commoncrawl", "subwords", "pieces.test", "binarised.train"} < set(redone(said))
    assert max(len(line.split()) for line in lines(copied / "text/train.en")) == 9
    main(miniature.options(copied))
    assert contents(copied) == contents(undisturbed)


def test_outputs_that_others_changed_are_made_again(
    miniature: Miniature, copied: Path, undisturbed: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    binarised = copied / "binarised" / f"valid.{miniature.pair}.en.bin"
    binarised.write_bytes(binarised.read_bytes()[:-2])
    (copied / "clean/commoncrawl.en").unlink()
    main(miniature.options(copied))
    said = capsys.readouterr().out
    assert redone(said) == ["clean.commoncrawl", "binarised.valid"]
    assert "[clean.commoncrawl] clean/commoncrawl.en is missing, running again\n" in said
    assert f"valid.{miniature.pair}.en.bin is not what this stage wrote, running again\n" in said
    assert contents(copied) == contents(undisturbed)


def test_an_archive_in_the_folder_is_checked(
    miniature: Miniature, published: Server, tmp_path: Path
) -> None:
    """A folder of archives stands in for the network, but not for the checksum."""
    archives = tmp_path / "archives"
    for path in published.folder.glob(f"{miniature.pair}/*/*.t*"):
        target = archives / path.relative_to(published.folder)
        target.parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(path, target)
    options = miniature.options(tmp_path / "dest", "--archives", archives)
    asked = len(published.requests)
    crawl = next(archives.rglob("training-parallel-commoncrawl.tgz"))
    whole = crawl.read_bytes()
    crawl.write_bytes(whole[:-100])  # cut off
    with pytest.raises(SystemExit, match=rf"crawl.tgz has {len(whole) - 100} bytes, not \d+: it"):
        main(options)
    assert not crawl.exists()
    assert crawl.with_name(f"{crawl.name}.bad").exists()
    crawl.write_bytes(whole[:-100] + bytes(100))
    with pytest.raises(SystemExit, match=r"commoncrawl.tgz is not the published file: its sha256"):
        main(options)
    crawl.write_bytes(whole)
    main(options)
    assert len(published.requests) == asked


def test_a_failing_server_changes_nothing(
    miniature: Miniature, published: Server, undisturbed: Path, tmp_path: Path
) -> None:
    training = f"{miniature.pair}/wmt13/training-parallel"
    published.faults[f"{training}-europarl-v7.tgz"] = ["503", "cut", "no ranges"]
    published.faults[f"{training}-commoncrawl.tgz"] = ["wrong bytes"]
    with pytest.raises(SystemExit, match=r"commoncrawl.tgz is not the published file: its sha256"):
        main(miniature.options(tmp_path / "dest"))
    main(miniature.options(tmp_path / "dest"))
    assert contents(tmp_path / "dest") == contents(undisturbed)


def test_the_manifest_tells_what_was_made_of_what(miniature: Miniature, undisturbed: Path) -> None:
    manifest = json.loads((undisturbed / "manifest.json").read_text())
    assert manifest["subwords"]["recipe"]["vocabulary"] == 200
    assert set(manifest["subwords"]["recipe"]) >= {"seed", "sentencepiece", "unicode", "moe_nmt"}
    made = manifest["subwords"]["outputs"]["subword.model"]
    for split in ("train", "valid", "test"):
        assert manifest[f"pieces.{split}"]["inputs"]["subword.model"] == made
    assert manifest["clean.commoncrawl"]["facts"]["empty"] == TAKEN["empty"]
    assert str(undisturbed) not in json.dumps(manifest)
