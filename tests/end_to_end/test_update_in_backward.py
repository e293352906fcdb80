"""Training with --update-experts-in-backward is the same training, but for rounding."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from commands import train_here

from moe_nmt.checkpoints.reading import read

IN_BACKWARD = "--update-experts-in-backward"


@pytest.mark.parametrize("more", [[], ["--recompute-experts"]])
def test_a_training_and_its_going_on(more: list[str], binarised: Path, tmp_path: Path) -> None:
    def train(folder: str, updates: int, *options: str) -> dict[str, torch.Tensor]:
        limit = ["--max-update", str(updates), "--disable-validation", *more]
        path = train_here(
            binarised, tmp_path / folder, *limit, *options, optimizer="factored_experts"
        )
        model: dict[str, torch.Tensor] = read(path)["model"]
        return model

    after, within = train("after", 6), train("within", 6, IN_BACKWARD)
    train("resumed", 3, IN_BACKWARD)
    resumed = train("resumed", 6, IN_BACKWARD)
    for name, weight in within.items():
        assert torch.equal(resumed[name], weight), name
        torch.testing.assert_close(weight, after[name], rtol=0, atol=1e-6)  # moved by 0.05 or so
