"""Padding, and the company of other sentences, change no result."""

import pytest
import torch
from small_models import MIXTURES, build, collate, dictionary, sentences, task_of
from torch import Tensor

from moe_nmt.criterions.balanced_cross_entropy import BalancedCrossEntropy
from moe_nmt.errors import UserError
from moe_nmt.models.gnmt_moe import GNMTMoEModel

OPTIONS = [
    pytest.param({**options, "encoder_bidirectional": both, "attention_feed": feed}, id=name)
    for name, options, both, feed in [
        ("none", MIXTURES["none"], True, "input"),
        ("softmax", MIXTURES["softmax"], False, "output"),
        ("noisy-top-k", MIXTURES["noisy-top-k"], True, "output"),
        ("strictly-balanced", MIXTURES["strictly-balanced"], True, "input"),
        ("hierarchical", MIXTURES["hierarchical"], False, "input"),
    ]
]
SOURCES, TARGETS = sentences(5, 3, 9), sentences(6, 4, 2, seed=2)


@pytest.mark.parametrize("options", OPTIONS)
@torch.no_grad()
def test_a_sentence_among_others_has_the_logits_it_has_alone(options: dict) -> None:
    model = build(**options)
    together, extra = model(**collate(SOURCES, TARGETS, more_padding=2)["net_input"])
    for row, (source, target) in enumerate(zip(SOURCES, TARGETS, strict=True)):
        alone, extra_alone = model(**collate([source], [target])["net_input"])
        torch.testing.assert_close(together[row, : len(target)], alone[0])
        attention, attention_alone = extra["attn"][0][row], extra_alone["attn"][0][0]
        torch.testing.assert_close(attention[: len(target), : len(source)], attention_alone)
        assert attention[: len(target), len(source) :].eq(0).all()


def training_step(
    model: GNMTMoEModel, more_padding: int
) -> tuple[Tensor, dict[str, Tensor], dict[str, Tensor]]:
    """Loss, logged figures and gradients of a step with noise that is the same each time."""
    words = dictionary()
    criterion = BalancedCrossEntropy(task_of(words, words), 0.1, 1.0, 1.0, 0, False)
    model.zero_grad()
    torch.manual_seed(3)
    loss, _, log = criterion(model.train(), collate(SOURCES, TARGETS, more_padding))
    loss.backward()
    gradients = {name: p.grad.clone() for name, p in model.named_parameters()}
    return loss, {name: torch.as_tensor(value) for name, value in log.items()}, gradients


@pytest.mark.parametrize("options", OPTIONS)
def test_more_padding_changes_neither_loss_nor_balance_nor_gradient(options: dict) -> None:
    model = build(**options)
    loss, log, gradients = training_step(model, more_padding=0)
    padded_loss, padded_log, padded_gradients = training_step(model, more_padding=3)
    torch.testing.assert_close(padded_loss, loss)
    torch.testing.assert_close(padded_log, log)
    torch.testing.assert_close(padded_gradients, gradients)


def test_padding_at_the_beginning_is_refused() -> None:
    batch = collate(SOURCES, TARGETS)["net_input"]
    batch["src_tokens"] = batch["src_tokens"].flip(1)
    with pytest.raises(UserError, match=r"^source sentences must be padded at the end"):
        build()(**batch)


@pytest.mark.parametrize("options", OPTIONS)
@torch.no_grad()
def test_a_counted_batch_asks_no_device(options: dict, monkeypatch: pytest.MonkeyPatch) -> None:
    """Padding becomes indices without ``nonzero``, for which a GPU is waited for."""
    model = build(**options).train()
    batch = collate(SOURCES, TARGETS, more_padding=2)["net_input"]
    torch.manual_seed(1)  # of the gates' noise
    expected, _ = model(**batch)
    counted = model.count_words(batch)
    assert counted["source_words"] == sum(map(len, SOURCES))
    assert counted["target_words"] == sum(map(len, TARGETS))
    calls: list[Tensor] = []
    nonzero = Tensor.nonzero
    monkeypatch.setattr(Tensor, "nonzero", lambda x, **kw: calls.append(x) or nonzero(x, **kw))
    monkeypatch.setattr("moe_nmt.models.encoder.refuse_left_padding", calls.append)
    torch.manual_seed(1)
    found, _ = model(**counted)
    assert not calls
    torch.testing.assert_close(found, expected)


def test_padding_at_the_beginning_is_refused_when_words_are_counted() -> None:
    batch = collate(SOURCES, TARGETS)["net_input"]
    batch["src_tokens"] = batch["src_tokens"].flip(1)
    with pytest.raises(UserError, match=r"^source sentences must be padded at the end"):
        build().count_words(batch)
