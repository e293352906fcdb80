"""Training that computes nan ends with the reason, after the name of the module where it began."""

from __future__ import annotations

import traceback
from pathlib import Path

import pytest
from commands import train_here


@pytest.mark.parametrize(
    "options",
    [
        [],
        ["--gate", "strictly-balanced", "--attention-feed", "output"],
        ["--experts", "9", "--expert-groups", "3", "--bf16"],
        ["--encoder-moe-after", "", "--decoder-moe-after", ""],
    ],
)
def test_the_reason_stands_last(
    options: list[str], binarised: Path, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    with pytest.raises(FloatingPointError, match="gradients are Nan/Inf") as stopped:
        train_here(binarised, tmp_path, "--lr", "1e30", "--max-update", "20", *options)
    last = traceback.format_exception(stopped.value)[-1]
    assert last == "FloatingPointError: gradients are Nan/Inf\n"
    assert "detected in output of" in caplog.text
    assert (tmp_path / "crash.pt").exists()
