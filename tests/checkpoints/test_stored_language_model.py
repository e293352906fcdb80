"""A language model of the version before this one goes on with beginnings as it did."""

from pathlib import Path

import pytest
from commands import PLUGIN, run_here

STORED = Path(__file__).parent / "stored" / "language"  # 500 updates on the embedded corpus
TASK = ["--task", "expert_parallel_language_modeling"]


def sentences(lines: list[str]) -> dict[str, tuple[float, str]]:
    """Score and text by the number of the beginning."""
    fields = (line.split("\t") for line in lines if line.startswith("H-"))
    return {number: (float(score), text) for number, score, text in fields}


@pytest.mark.parametrize("batch", [1, 8])
def test_it_writes_what_it_wrote(batch: int) -> None:
    """A beginning with an unknown subword among them."""
    search = ["--beam", "4", "--max-len-b", "30", "--batch-size", batch, "--buffer-size", "8"]
    files = ["--path", STORED / "checkpoint.pt", "--input", STORED / "beginnings.txt"]
    output = run_here("interactive", STORED, *PLUGIN[:2], "--cpu", *TASK, *files, *search)
    expected = sentences((STORED / "expected.txt").read_text(encoding="utf-8").splitlines())
    assert len(expected) == 4
    found = sentences(output.splitlines())
    assert found.keys() == expected.keys()
    for number, (score, text) in expected.items():
        assert found[number] == (pytest.approx(score, abs=1e-3), text)
