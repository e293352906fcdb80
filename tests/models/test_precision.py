"""bf16 matrix products: close to fp32, with fp32 parameters, gates and losses."""

import pytest
import torch
from small_models import MIXTURES, build, collate, dictionary, sentences, task_of
from torch import Tensor

from moe_nmt.criterions.balanced_cross_entropy import BalancedCrossEntropy
from moe_nmt.models.gnmt_moe import GNMTMoEModel


def step(model: GNMTMoEModel, enabled: bool) -> tuple[Tensor, Tensor]:
    """The loss per word and the gradient of the output embedding."""
    words = dictionary()
    criterion = BalancedCrossEntropy(task_of(words, words), 0.1, 0.01, 0.01, 0, False)
    batch = collate(sentences(5, 3, 9), sentences(6, 4, 2, seed=2))
    model.zero_grad()
    torch.manual_seed(3)
    with torch.autocast("cpu", torch.bfloat16, enabled=enabled):
        loss, words, _ = criterion(model, batch)
    loss.backward()
    for name, parameter in model.named_parameters():
        assert parameter.grad.dtype == torch.float32, name
        assert parameter.grad.isfinite().all(), name
    return loss.detach() / words, model.decoder.output_embedding.weight.grad.clone()


@pytest.mark.parametrize("feed", ["input", "output"])
@pytest.mark.parametrize("mixture", MIXTURES)
def test_training_in_bf16_is_close_to_fp32(mixture: str, feed: str) -> None:
    model = build(attention_feed=feed, encoder_bidirectional=True, **MIXTURES[mixture]).train()
    loss, gradient = step(model, enabled=False)
    loss_in_bf16, gradient_in_bf16 = step(model, enabled=True)
    assert loss_in_bf16.dtype == torch.float32
    assert loss_in_bf16 != loss
    assert loss_in_bf16.item() == pytest.approx(loss.item(), rel=0.02)
    difference = (gradient_in_bf16 - gradient).norm() / gradient.norm()
    assert difference < 0.05
