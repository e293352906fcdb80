"""A translation depends on its sentence alone, and every sentence gets one."""

from pathlib import Path

import pytest
from commands import PLUGIN, SHORT, SIZES, hypotheses, run_here


def interactive(data: Path, checkpoint: Path, text: Path, *options: object) -> dict[int, str]:
    path = ["--path", checkpoint, "--beam", 2, *SHORT, "--input", text]
    return hypotheses(run_here("interactive", data, *PLUGIN, *path, *options))


@pytest.mark.parametrize("beam", [1, 4])
def test_the_size_of_batches_does_not_matter(binarised: Path, checkpoint: Path, beam: int) -> None:
    def translate(*batches: object) -> dict[int, str]:
        path = ["--path", checkpoint, "--beam", beam, *SHORT]
        return hypotheses(run_here("generate", binarised, *PLUGIN, *path, *batches))

    alone = translate("--batch-size", 1)
    assert sorted(alone) == list(range(SIZES["test"]))
    assert len(set(alone.values())) > SIZES["test"] / 3  # they tell sentences apart
    assert translate("--max-tokens", 100_000) == alone
    assert translate("--max-tokens", 150) == alone


def test_the_order_of_sentences_does_not_matter(
    binarised: Path, checkpoint: Path, corpus: Path, tmp_path: Path
) -> None:
    lines = (corpus / "test.en").read_text().splitlines()
    turned = tmp_path / "turned.en"
    turned.write_text("".join(f"{line}\n" for line in reversed(lines)))
    batches = ["--buffer-size", 100, "--batch-size", 8]
    forward = interactive(binarised, checkpoint, corpus / "test.en", *batches)
    backward = interactive(binarised, checkpoint, turned, *batches)
    last = len(lines) - 1
    assert {last - number: text for number, text in backward.items()} == forward


def test_odd_lines_are_translated_and_their_neighbours_stay(
    binarised: Path, checkpoint: Path, corpus: Path, tmp_path: Path
) -> None:
    first, second = (corpus / "test.en").read_text().splitlines()[:2]
    odd = ["", " ", "\U0001f989 \u2028 日本 \x07 \ufeff", " ".join(["hotel"] * 2000)]
    text = tmp_path / "odd.en"
    text.write_text("".join(f"{line}\n" for line in [first, *odd, second]))
    limits = ["--buffer-size", 10, "--max-tokens", 500]
    translations = interactive(binarised, checkpoint, text, *limits)
    assert sorted(translations) == list(range(6))
    expected = interactive(binarised, checkpoint, corpus / "test.en")
    assert (translations[0], translations[5]) == (expected[0], expected[1])
    assert translations[1] == translations[2]  # of nothing


def test_an_empty_file_has_no_translations(
    binarised: Path, checkpoint: Path, tmp_path: Path
) -> None:
    empty = tmp_path / "empty.en"
    empty.touch()
    assert interactive(binarised, checkpoint, empty) == {}
