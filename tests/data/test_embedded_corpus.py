"""The embedded corpus: its grammar against gold translations, its files and its command line."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest
from commands import usage_error
from embedded.corpus import LONGEST, SHORTEST, Translator, Triple, generate
from embedded.entries import load_lexicon
from embedded.generate import main
from embedded.tree import Sentence
from embedded_gold_clauses import CLAUSES
from embedded_gold_words import WORDS

GOLD = CLAUSES + WORDS

SCRIPT = Path(__file__).resolve().parents[2] / "data" / "embedded" / "generate.py"
SIZES = {"train": 3000, "valid": 200, "test": 200}


@pytest.fixture(scope="module")
def translate() -> Translator:
    return Translator.of(load_lexicon())


@pytest.fixture(scope="module")
def splits() -> dict[str, list[Triple]]:
    return generate(SIZES, seed=1)


@pytest.mark.parametrize(
    ("sentence", "en", "fr", "de"), [each[1:] for each in GOLD], ids=[each[0] for each in GOLD]
)
def test_gold_translation(
    translate: Translator, sentence: Sentence, en: str, fr: str, de: str
) -> None:
    assert translate(sentence) == (en, fr, de)


def test_lexicon_is_large_and_every_french_form_is_used() -> None:
    lexicon = load_lexicon()
    assert len(lexicon) >= 300
    used = {verb.fr.removeprefix("se ").removeprefix("s'") for verb in lexicon.verbs}
    used |= {modal.fr for modal in lexicon.modals} | {"avoir", "être"}
    assert set(lexicon.french) <= used
    irregular = {verb for verb in used if not verb.endswith("er")}
    assert irregular <= set(lexicon.french)


def test_every_kind_a_word_asks_for_has_nouns() -> None:
    lexicon = load_lexicon()
    known = set().union(*(noun.kinds for noun in lexicon.nouns))
    for verb in lexicon.verbs:
        assert set(verb.subject) | set(verb.object) <= known, verb.en
    for adjective in lexicon.adjectives:
        assert set(adjective.of) <= known, adjective.en


def test_sizes_and_lengths(splits: dict[str, list[Triple]]) -> None:
    assert {name: len(triples) for name, triples in splits.items()} == SIZES
    lengths = [len(triple.en.split()) for triples in splits.values() for triple in triples]
    assert min(lengths) == SHORTEST
    assert max(lengths) <= LONGEST
    assert 9 < sum(lengths) / len(lengths) < 13


def test_no_line_is_repeated_in_any_language(splits: dict[str, list[Triple]]) -> None:
    triples = [triple for split in splits.values() for triple in split]
    for index, language in enumerate(Triple._fields):
        assert len({triple[index] for triple in triples}) == len(triples), language


def test_lines_are_natural_text(splits: dict[str, list[Triple]]) -> None:
    for triple in splits["train"]:
        for line in triple:
            assert line[0].isupper()
            assert line[-1] in ".?"
            assert line == line.strip()
            assert not any(wrong in line for wrong in ("  ", " ,", ",,", " ."))


def test_same_seed_same_bytes_whatever_the_hash_seed(tmp_path: Path) -> None:
    for name in ("1", "2"):
        command = [sys.executable, str(SCRIPT), str(tmp_path / name), "--train", "300"]
        subprocess.run(
            [*command, "--valid", "20", "--test", "20"],
            check=True,
            capture_output=True,
            env={**os.environ, "PYTHONHASHSEED": name},
        )
    files = sorted(path.name for path in (tmp_path / "1").iterdir())
    assert len(files) == 9
    for file in files:
        first = (tmp_path / "1" / file).read_bytes()
        assert first == (tmp_path / "2" / file).read_bytes()
        assert b"\r" not in first
        assert first.endswith(b"\n")


def test_another_seed_is_another_corpus() -> None:
    sizes = {"train": 50}
    assert generate(sizes, seed=1) != generate(sizes, seed=2)


def test_summary_goes_to_stderr(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main([str(tmp_path), "--train", "30", "--valid", "2", "--test", "0"]) == 0
    out, err = capsys.readouterr()
    assert out == ""
    assert err.startswith("train 30, valid 2, test 0 | en ")
    assert len((tmp_path / "train.de").read_text(encoding="utf-8").splitlines()) == 30
    assert (tmp_path / "test.fr").read_bytes() == b""


def test_too_large_a_corpus_is_refused(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main([str(tmp_path / "new"), "--train", "10000000"]) == 1
    assert "cannot supply" in capsys.readouterr().err
    assert not (tmp_path / "new").exists()


def test_destination_that_is_a_file(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "file").write_text("taken")
    assert main([str(tmp_path / "file"), "--train", "2", "--valid", "0", "--test", "0"]) == 1
    assert "cannot write to" in capsys.readouterr().err


@pytest.mark.parametrize("size", ["-1", "many"])
def test_bad_size(size: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert "--train" in usage_error(main, f"{tmp_path} --train {size}", capsys)
