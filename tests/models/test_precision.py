"""bf16 matrix products: close to fp32, with fp32 parameters, gates and losses."""

from types import SimpleNamespace

import pytest
import torch
from omegaconf import OmegaConf
from small_models import MIXTURES, build, collate, dictionary, sentences, task_of
from torch import Tensor

from moe_nmt.criterions.balanced_cross_entropy import BalancedCrossEntropy
from moe_nmt.models.gnmt_moe import GNMTMoEModel
from moe_nmt.modules.lstm import LSTM
from moe_nmt.optim.fused_adam import FusedAdam
from moe_nmt.tasks.expert_parallel_translation import (
    ExpertParallelTranslationConfig,
    ExpertParallelTranslationTask,
)


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


def test_lstms_cast_for_good_have_their_weights_side_by_side(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """cuDNN would copy them at every step otherwise."""
    model = build(encoder_bidirectional=True)
    flattened = set()

    def note(layer: LSTM) -> None:
        assert layer.weight_hh_l0.dtype == torch.bfloat16
        flattened.add(layer)

    monkeypatch.setattr(LSTM, "flatten_parameters", note)
    model.to_bfloat16()
    assert flattened == {module for module in model.modules() if isinstance(module, LSTM)}


def test_the_task_chooses_the_precision_where_fairseq_has_switched_it_off(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """fairseq enters autocast(enabled=False) of the GPU; here, so, of the CPU."""
    monkeypatch.setattr(
        torch.cuda.amp, "autocast", lambda enabled: torch.autocast("cpu", enabled=enabled)
    )
    words = dictionary()
    options = OmegaConf.structured(ExpertParallelTranslationConfig(precision="bf16"))
    task = ExpertParallelTranslationTask(options, words, words)
    model = build().train()
    batch = collate(sentences(5, 3), sentences(6, 4, seed=2))
    criterion = BalancedCrossEntropy(task, 0.1, 0.01, 0.01, 0, False)
    seen: list[bool] = []
    hook = model.register_forward_pre_hook(lambda *_: seen.append(torch.is_autocast_enabled("cpu")))
    optimizer = FusedAdam(
        SimpleNamespace(lr=[0.1], beta1=0.9, beta2=0.99, epsilon=1e-8, weight_decay=0.0),
        model.parameters(),
    )
    task.train_step(batch, model, criterion, optimizer, 1)
    hook.remove()
    assert seen == [True]
