"""The default number of subwords."""

from __future__ import annotations

import pickle
from pathlib import Path

import pytest

from moe_nmt.cli.subword import main
from moe_nmt.corpus.subwords.vocabulary_size import (
    PAPERS,
    VocabularyError,
    alphabet,
    default_vocabulary,
)


@pytest.mark.parametrize(
    ("sentences", "size"),
    [
        (1, 2000),
        (4_999, 2000),
        (10_000, 4000),
        (29_000, 8000),
        (668_120, 16_000),
        (4_500_000, PAPERS),
        (40_842_333, PAPERS),
    ],
)
def test_it_grows_with_the_text(sentences: int, size: int, tmp_path: Path) -> None:
    (tmp_path / "text").write_text("one\n")
    assert default_vocabulary([tmp_path / "text"], sentences, 1.0) == size


def test_scripts_with_many_characters_get_more(tmp_path: Path) -> None:
    text = "".join(map(chr, range(0x4E00, 0x4E00 + 2500)))
    (tmp_path / "zh").write_text(f"{text}\n{text}\n", encoding="utf-8")
    assert default_vocabulary([tmp_path / "zh"], 2, 1.0) == 7500


def test_rare_characters_count_as_far_as_they_must_be_held(tmp_path: Path) -> None:
    (tmp_path / "text").write_text("a" * 9998 + "b" + "c")
    assert [alphabet([tmp_path / "text"], share) for share in (0.5, 0.9999, 1.0)] == [1, 2, 3]


def test_the_error_survives_the_way_between_processes() -> None:
    error = pickle.loads(pickle.dumps(VocabularyError(9999, 17)))
    assert (error.most, str(error)) == (
        17,
        "--vocabulary 9999 is too many for this text: at most 17",
    )


def test_learn_says_what_it_takes(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "text").write_text("the dog\nthe cat\n" * 50)
    main([
        *("learn", "--input", str(tmp_path / "text"), "--method", "bpe"),
        *("--output", str(tmp_path / "model")),
    ])  # fmt: skip
    assert capsys.readouterr().out.startswith("2,000 subwords of 100 sentences: --vocabulary ")
