"""Training with --update-experts-in-backward is the same training, but for rounding."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from commands import train_here
from safetensors.torch import load_file

from moe_nmt.checkpoints.reading import read
from moe_nmt.cli.average import main as average
from moe_nmt.cli.pack import main as pack

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


def test_experts_in_bf16_are_resumed_averaged_and_packed(binarised: Path, tmp_path: Path) -> None:
    options = ["--experts-precision", "bf16", IN_BACKWARD, "--disable-validation"]

    def train(folder: str, updates: int) -> Path:
        limit = ["--max-update", str(updates), *options]
        return train_here(binarised, tmp_path / folder, *limit, optimizer="factored_experts")

    whole = train("whole", 6)
    train("resumed", 3)
    weights, resumed = read(whole)["model"], read(train("resumed", 6))["model"]
    for name, weight in weights.items():
        assert torch.equal(resumed[name], weight), name
        if name.endswith(("w_in", "w_out")):
            assert weight.equal(weight.bfloat16().float()), name
    path, folder = tmp_path / "average.pt", tmp_path / "model"
    average([str(whole), "--output", str(path)])
    pack([str(path), "--data", str(binarised), "--output", str(folder)])
    for name, weight in load_file(folder / "model.safetensors").items():
        assert weight.dtype == torch.float32
        assert weight.equal(weights[name].float()), name
