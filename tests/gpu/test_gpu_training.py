"""Training on a GPU by the real commands: precisions, optimizers, and what a step computes in."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from commands import run, training
from small_models import build, collate, sentences

from moe_nmt.checkpoints.reading import read
from moe_nmt.modules.lstm import LSTM, lstm

pytestmark = [
    pytest.mark.cuda,
    pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a GPU"),
]

LOSS_OF_CHANCE = 11.0  # bits, of some 2000 words
WAYS = {
    "fp32": [],
    "bf16": ["--precision", "bf16"],
    "fp16": ["--fp16"],
    "amp": ["--amp"],
    "factored": ["--optimizer", "factored_experts"],
    "in backward": ["--optimizer", "factored_experts", "--update-experts-in-backward"],
    "input feed": ["--attention-feed", "input", "--precision", "bf16"],
    "hierarchical": ["--experts", "8", "--expert-groups", "4", "--precision", "bf16"],
}


@pytest.mark.parametrize("way", WAYS)
def test_the_loss_falls(way: str, binarised: Path, tmp_path: Path) -> None:
    options = ["--max-update", "60", "--no-epoch-checkpoints", *WAYS[way]]
    arguments = [option for option in training(binarised, tmp_path, *options) if option != "--cpu"]
    done = run("fairseq-train", *arguments)
    assert done.returncode == 0, done.stderr[-3000:]
    extra_state = read(tmp_path / "checkpoint_last.pt")["extra_state"]
    assert 0 < extra_state["val_loss"] < LOSS_OF_CHANCE - 2


@pytest.mark.parametrize("started", [False, True])
@pytest.mark.parametrize("projected", [False, True])
def test_lstms_run_in_the_precision_of_autocast(projected: bool, started: bool) -> None:
    """torch's own autocast would take float16."""
    torch.manual_seed(1)
    layer = lstm(8, 12 if projected else 8, 8).cuda()
    x = torch.randn(5, 3, 8).cuda().requires_grad_()
    state = (torch.randn(1, 3, 8).cuda(), torch.randn(1, 3, layer.hidden_size).cuda())
    y, _ = layer(x, state if started else None)
    with torch.autocast("cuda", torch.bfloat16):
        half, (hidden, cell) = layer(x, state if started else None)
    assert {half.dtype, hidden.dtype, cell.dtype} == {torch.bfloat16}
    assert (half - y).norm() < 0.02 * y.norm()
    half.float().sum().backward()
    assert all(p.grad is not None and p.grad.dtype == torch.float32 for p in layer.parameters())


def test_a_model_cast_for_good_has_flat_weights() -> None:
    model = build(encoder_bidirectional=True).cuda()
    model.to_bfloat16()
    for module in model.modules():
        if isinstance(module, LSTM):
            first, second, *_ = module.all_weights[0]
            assert second.data_ptr() == first.data_ptr() + 2 * first.numel()


@pytest.mark.parametrize("feed", ["input", "output"])
def test_bf16_is_close_to_the_cpus_fp32(feed: str) -> None:
    model = build(attention_feed=feed)
    batch = collate(sentences(5, 3, 9), sentences(6, 4, 2, seed=2))["net_input"]
    expected, _ = model(**batch)
    there = {name: tensor.cuda() for name, tensor in batch.items()}
    with torch.autocast("cuda", torch.bfloat16):
        logits, _ = model.cuda()(**there)
    is_token = batch["prev_output_tokens"] != 1
    difference = logits.float().cpu()[is_token] - expected[is_token]
    assert difference.norm() < 0.03 * expected[is_token].norm()
