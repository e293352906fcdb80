"""WMT'14 in miniature, from URL to a training step; runs that are killed; scripts/prepare_wmt14.sh."""

from __future__ import annotations

import contextlib
import json
import os
import random
import re
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from commands import train_here
from http_server import Server, serve
from miniature_wmt import (
    CORPORA,
    DEV,
    HELD_OUT,
    PAIRS,
    ROOT,
    TAKEN,
    TEST,
    TRAP_DUPLICATES,
    TRAPS,
    Miniature,
)
from sacrebleu.dataset import DATASETS

from moe_nmt.cli.prepare import main
from moe_nmt.corpus import download as downloading
from moe_nmt.corpus.registry import read_description, sacrebleu_set

LEFT = [left for *_, left in TRAPS if left not in TAKEN]  # source sides of the traps
NOT_COMPARED = {".stages", "archives"}  # when it was; what was downloaded


@pytest.fixture(scope="session")
def published(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """A server for all of this file's archives."""
    with pytest.MonkeyPatch.context() as patch, serve(tmp_path_factory.mktemp("www")) as server:
        patch.setenv("no_proxy", "127.0.0.1")
        patch.setattr(downloading, "FIRST_WAIT", 0.01)
        yield server


@pytest.fixture(scope="session", params=list(CORPORA))
def miniature(request: pytest.FixtureRequest, corpus: Path, published: Server) -> Miniature:
    """The archives of a pair of languages."""
    pair = request.param
    source, target = (
        (corpus / f"train.{language}").read_text(encoding="utf-8").splitlines()
        for language in pair.split("-")
    )
    address = f"{published.address}/{pair}"
    return Miniature(pair, source, target, published.folder / pair, address)


@pytest.fixture(scope="session")
def undisturbed(miniature: Miniature, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The output folder of a run that nobody disturbed."""
    folder = tmp_path_factory.mktemp(miniature.pair) / "dest"
    main(miniature.options(folder, "--workers", 2))
    return folder


def contents(folder: Path) -> dict[str, bytes]:
    """All files that must not depend on how often a run was interrupted."""
    paths = (path.relative_to(folder) for path in folder.rglob("*"))
    return {
        str(path): (folder / path).read_bytes()
        for path in sorted(paths)
        if path.parts[0] not in NOT_COMPARED and (folder / path).is_file()
    }


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


def start(miniature: Miniature, folder: Path) -> subprocess.Popen[str]:
    """Starts a run in a process of its own, and waits until it says something."""
    process = subprocess.Popen(
        [sys.executable, "-m", "moe_nmt.cli.prepare"] + miniature.options(folder, "--workers", 2),
        cwd=ROOT,
        env={**os.environ, "no_proxy": "127.0.0.1"},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )
    assert process.stdout is not None
    process.stdout.readline()
    return process


def killed(miniature: Miniature, folder: Path, moment: float) -> bool:
    """Kills a run after some seconds; returns whether it was still running.

    Only the main process is killed: its workers must notice.
    """
    process = start(miniature, folder)
    with contextlib.suppress(subprocess.TimeoutExpired):
        process.communicate(timeout=moment)
    was_running = process.poll() is None
    process.kill()
    process.communicate()  # returns when the workers have closed the pipe, too
    return was_running


@pytest.fixture(scope="session")
def duration(miniature: Miniature, tmp_path_factory: pytest.TempPathFactory) -> float:
    """Seconds that a run takes after its first words."""
    process = start(miniature, tmp_path_factory.mktemp("timed") / "dest")
    begin = time.monotonic()
    _, said = process.communicate(timeout=60)
    assert process.returncode == 0, said
    return time.monotonic() - begin


@pytest.mark.parametrize("seed", range(2))
def test_killed_again_and_again(
    seed: int, miniature: Miniature, undisturbed: Path, duration: float, tmp_path: Path
) -> None:
    draw = random.Random(seed)
    moments = sorted(draw.uniform(0, 0.8 * duration) for _ in range(3))
    assert any([killed(miniature, tmp_path / "dest", moment) for moment in moments])
    main(miniature.options(tmp_path / "dest"))
    assert contents(tmp_path / "dest") == contents(undisturbed)


@pytest.mark.slow
@pytest.mark.parametrize("seed", range(100, 150))
def test_killed_at_any_moment(
    seed: int, miniature: Miniature, undisturbed: Path, duration: float, tmp_path: Path
) -> None:
    killed(miniature, tmp_path / "dest", random.Random(seed).uniform(0, duration))
    main(miniature.options(tmp_path / "dest"))
    assert contents(tmp_path / "dest") == contents(undisturbed)
