"""scripts/score_wmt14.sh, with sacreBLEU's copy of a test set in place of the download."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest
from commands import ROOT

GERMAN = [f"Die Web-Seite {n} ist „neu“." for n in range(20)]


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A folder with translations, and sacreBLEU's folder with a test set of 20 sentences."""
    stored = tmp_path / "sacrebleu" / "wmt14" / "full"
    stored.mkdir(parents=True)
    for field in ("src", "docid", "genre", "origlang"):
        (stored / f"wmt14_full.en-de.{field}").write_text("x\n" * 20)
    text = "".join(f"{line}\n" for line in GERMAN)
    (stored / "wmt14_full.en-de.ref").write_text(text, encoding="utf-8")
    (tmp_path / "hyp").write_text(text.replace("Web", "Netz"), encoding="utf-8")
    (tmp_path / "tmp").mkdir()
    return tmp_path


def run(folder: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    programs = f"{Path(sys.executable).parent}:{os.environ['PATH']}"
    variables = {"SACREBLEU": str(folder / "sacrebleu"), "TMPDIR": str(folder / "tmp")}
    return subprocess.run(
        ["bash", str(ROOT / "scripts" / "score_wmt14.sh"), *arguments],
        cwd=folder,
        env={**os.environ, "PATH": programs, **variables},
        capture_output=True,
        text=True,
    )


def test_the_reference_is_sacrebleus_copy(folder: Path) -> None:
    """The second of 6 words is wrong, or, compounds split, of 8: up to 2 n-grams of an order."""
    done = run(folder, "en-de", "hyp", "--tokenizer", "13a")
    assert done.returncode == 0, done.stderr
    lines = done.stdout.splitlines()
    assert [line.split("  ")[0] for line in lines[1:5]] == [
        *("multi-bleu", "multi-bleu, compounds split", "sacreBLEU", "chrF2")
    ]
    whole, split = (line for line in lines if "BLEU = " in line)
    assert "83.3/60.0/50.0/33.3 (BP=1.000" in whole
    assert "87.5/71.4/66.7/60.0 (BP=1.000" in split
    assert not list((folder / "tmp").iterdir())
    named = run(folder, "en-de", "hyp", "--reference", "hyp", "--tokenizer", "13a")
    assert "sacreBLEU                    100.00" in named.stdout


def test_mosess_tokenizer_is_the_default(folder: Path) -> None:
    pytest.importorskip("sacremoses")
    done = run(folder, "en-de", "hyp")
    assert done.returncode == 0, done.stderr
    assert "tok:moses-de-sacremoses-" in done.stdout


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["en-es", "hyp"], "moe_nmt: name en-fr or en-de; see scripts/score_wmt14.sh --help"),
        (["en-de", "hyp", "--test-set"], "moe_nmt: --test-set needs a value"),
        (["en-de", "hyp", "--test-set", "wmt1"], "moe_nmt: sacreBLEU cannot get wmt1 for en-de ("),
        (["en-de", "--reference", "hyp", "--tokenizer", "13a"], "name a FILE of translations"),
    ],
)
def test_mistakes(arguments: list[str], message: str, folder: Path) -> None:
    done = run(folder, *arguments)
    assert done.returncode != 0
    assert message in done.stderr
    assert "Traceback" not in done.stderr
    assert not list((folder / "tmp").iterdir())
