"""moe-nmt-prepare --wmt14, its script, and the descriptions in data/."""

from __future__ import annotations

import os
import re
import subprocess
from pathlib import Path

import pytest
import yaml
from commands import usage_error
from miniature_wmt import CORPORA, DEV, ROOT, TEST

from moe_nmt.cli import prepare
from moe_nmt.corpus.preparation.preparation import Settings
from moe_nmt.corpus.sources.registry import descriptions, read_description, sacrebleu_set


def test_descriptions_are_those_of_the_specification() -> None:
    """Bytes, checksums and numbers of pairs add up to what the literature quotes."""
    for pair, total in (("en-fr", 40_842_333), ("en-de", 4_520_620)):
        found = [
            read_description(ROOT / f"data/wmt14_{name}.yaml", tuple(pair.split("-")))
            for name in CORPORA[pair]
        ]
        assert sum(corpus.pairs for corpus in found) == total
        assert len({corpus.checksum.digest for corpus in found}) == len(found)
        for corpus in found:
            assert len(corpus.checksum.digest) == 64
            assert corpus.path == corpus.urls[1].removeprefix("https://statmt.org/")
            assert corpus.members[0].endswith((".en", ".en.gz"))
    swapped = read_description(ROOT / "data/wmt14_giga.yaml", ("fr", "en"))
    assert swapped.members[0] == "giga-fren.release2.fixed.fr.gz"
    assert sacrebleu_set(TEST, ("en", "de")).checksum.digest == "a8cd784e006feb32ac6f3d9ec7eb389a"
    assert sacrebleu_set("wmt14", ("en", "de")).path == "wmt14/test-filtered.tgz"


def test_every_corpus_has_licence_and_citation() -> None:
    paths = [*descriptions().values(), ROOT / "data/multi30k.yaml"]
    assert len(paths) == 6
    for path in paths:
        data = yaml.safe_load(path.read_text(encoding="utf-8"))
        assert len(data["licence"]) > 40
        assert all(re.search(r" \(\d{4}\): .*\. .*\d", text) for text in data["citations"])


def settings(monkeypatch: pytest.MonkeyPatch, *options: str) -> Settings:
    """What moe-nmt-prepare would do."""
    asked: list[Settings] = []
    monkeypatch.setattr(prepare, "prepare", asked.append)
    prepare.main(["--destdir", "DEST", *options])
    return asked[0]


@pytest.mark.parametrize("pair", ["en-fr", "en-de", "fr-en", "de-en"])
def test_wmt14_is_the_papers_data(pair: str, monkeypatch: pytest.MonkeyPatch) -> None:
    languages = source, target = tuple(pair.split("-"))
    names = CORPORA[pair if source == "en" else f"{target}-{source}"]
    wmt14 = settings(monkeypatch, "--wmt14", pair)
    assert wmt14.languages == languages
    assert wmt14.train == [
        read_description(ROOT / f"data/wmt14_{name}.yaml", languages) for name in names
    ]
    assert wmt14.held_out == {
        "valid": [sacrebleu_set(name, languages) for name in DEV],
        "test": [sacrebleu_set(TEST, languages)],
    }


def test_other_sets_take_the_place_of_wmt14s(monkeypatch: pytest.MonkeyPatch) -> None:
    options = ["--valid-sets", "wmt13", "--test-sets", "wmt14", "--corpora", "wmt14_europarl"]
    changed = settings(monkeypatch, "--wmt14", "en-de", *options)
    assert [text.name for text in changed.train] == ["europarl-v7"]
    names = {split: [text.name for text in texts] for split, texts in changed.held_out.items()}
    assert names == {"valid": ["wmt13"], "test": ["wmt14"]}


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ("--wmt14 en-cs", "choose from en-fr, en-de, fr-en, de-en)"),
        ("--wmt14 en-fr --languages en fr", "--wmt14 names the languages: leave --languages out"),
    ],
)
def test_mistakes_of_the_option(
    options: str, message: str, capsys: pytest.CaptureFixture[str]
) -> None:
    said = usage_error(prepare.main, f"--destdir DEST {options}", capsys)
    assert message in said.replace("'", "")  # newer Pythons print no quotation marks


def script(*arguments: str, path: str) -> subprocess.CompletedProcess[str]:
    """Runs the recipe's script."""
    return subprocess.run(
        [ROOT / "scripts/prepare_wmt14.sh", *arguments],
        env={**os.environ, "PATH": path},
        capture_output=True,
        text=True,
    )


@pytest.mark.parametrize("pair", list(CORPORA))
def test_the_script_is_that_option(pair: str, tmp_path: Path) -> None:
    python = tmp_path / "python"
    python.write_text('#!/bin/sh\nprintf "%s\\n" "$@"\n')
    python.chmod(0o755)
    done = script(pair, "DEST", "--workers", "3", path=f"{tmp_path}:{os.environ['PATH']}")
    assert done.stdout.split() == [
        *("-m", "moe_nmt.cli.prepare", "--wmt14", pair, "--destdir", "DEST", "--workers", "3"),
    ]


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ([], "name en-fr, en-de, fr-en or de-en;"),
        (["German", "DEST"], "name en-fr, en-de, fr-en or de-en;"),
        (["en-de"], "name the output folder after en-de"),
        (["en-de", "--workers", "2"], "name the output folder after en-de"),
    ],
)
def test_mistakes_of_the_script(arguments: list[str], message: str) -> None:
    done = script(*arguments, path=os.environ["PATH"])
    assert done.returncode == 2
    assert done.stderr.startswith(f"moe_nmt: {message}")
