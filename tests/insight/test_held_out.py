"""Perplexity of held-out sentences, beside one sentence and word at a time."""

import math
from pathlib import Path

import pytest
import torch
from small_models import build, collate, sentences

from moe_nmt.errors import UserError
from moe_nmt.insight.held_out import load, losses


@torch.no_grad()
def test_perplexity_is_that_of_single_sentences() -> None:
    model = build(dropout=0.5).train()
    sources, targets = sentences(5, 3, 9), sentences(6, 4, 2, seed=2)
    batches = [collate(sources[:2], targets[:2]), collate(sources[2:], targets[2:], 3, first=2)]
    found = losses(model, batches)
    assert not model.training
    assert found.tokens.tolist() == [6, 4, 2]
    nats = []
    for source, target in zip(sources, targets, strict=True):
        batch = collate([source], [target])
        logits, _ = model(**batch["net_input"])
        nats.append(-float(logits.log_softmax(-1)[0].gather(-1, target[:, None]).sum()))
    assert found.nats.tolist() == pytest.approx(nats, rel=1e-5)
    assert found.perplexity() == pytest.approx(math.exp(sum(nats) / (6 + 4 + 2)), rel=1e-5)
    chosen = torch.tensor([True, False, True])
    expected = math.exp((nats[0] + nats[2]) / (6 + 2))
    assert found.perplexity(chosen) == pytest.approx(expected, rel=1e-5)


def test_what_is_missing_is_named(tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"absent\.pt does not exist: "):
        load(tmp_path / "absent.pt", tmp_path, "valid", 100)
