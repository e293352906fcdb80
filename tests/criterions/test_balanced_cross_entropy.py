"""The loss is fairseq's label-smoothed cross entropy plus the weighted balancing losses."""

import math

import pytest
import torch
from fairseq.criterions.label_smoothed_cross_entropy import label_smoothed_nll_loss
from fairseq.logging import metrics
from small_models import (
    MIXTURES,
    build,
    build_language_model,
    collate,
    dictionary,
    sentences,
    task_of,
)
from torch import Tensor

from moe_nmt.criterions.balanced_cross_entropy import BalancedCrossEntropy
from moe_nmt.errors import UserError
from moe_nmt.models.gnmt_moe import GNMTMoEModel

BATCH = collate(sentences(5, 3, 9), sentences(6, 4, 2, seed=2))
WORDS, SENTENCES = 12, 3


def criterion(
    smoothing: float = 0.1,
    importance: float = 0.7,
    load: float = 0.3,
    sentence_avg: bool = False,
    sampled_words: int = 0,
) -> BalancedCrossEntropy:
    words = dictionary()
    options = smoothing, importance, load, sampled_words, sentence_avg
    return BalancedCrossEntropy(task_of(words, words), *options)


def translation_loss(model: GNMTMoEModel, smoothing: float) -> tuple[Tensor, Tensor, dict]:
    """Smoothed and plain loss, by fairseq's function on the logits; and the routings."""
    torch.manual_seed(3)
    logits, extra = model(**BATCH["net_input"])
    log_p = logits.log_softmax(-1).flatten(0, 1)
    smoothed, plain = label_smoothed_nll_loss(
        log_p, BATCH["target"].flatten(), smoothing, ignore_index=1
    )
    return smoothed, plain, extra["routings"]


def squared_cv(values: Tensor) -> Tensor:
    return values.var(correction=0) / values.mean() ** 2


def balance(routings: dict, importance: float, load: float) -> Tensor:
    return sum(
        importance * squared_cv(routing.importance)
        + load * squared_cv(routing.load)
        + routing.auxiliary_loss
        for routing in routings.values()
    )


def run(model: GNMTMoEModel, loss: BalancedCrossEntropy) -> tuple[Tensor, int, dict]:
    torch.manual_seed(3)  # the gates' noise
    return loss(model, BATCH)


@pytest.mark.parametrize("sentence_avg", [False, True])
@pytest.mark.parametrize("mixture", [name for name in MIXTURES if name != "none"])
def test_loss_and_gradients_equal_the_naive_sum(mixture: str, sentence_avg: bool) -> None:
    model = build(**MIXTURES[mixture]).train()
    loss, size, log = run(model, criterion(sentence_avg=sentence_avg))
    assert size == (SENTENCES if sentence_avg else WORDS)
    loss.backward()
    gradients = {name: p.grad.clone() for name, p in model.named_parameters()}

    model.zero_grad()
    smoothed, plain, routings = translation_loss(model, 0.1)
    assert routings.keys() == {"encoder_1", "decoder_1"}
    expected = smoothed + size * balance(routings, 0.7, 0.3)
    expected.backward()
    torch.testing.assert_close(loss, expected)
    torch.testing.assert_close(log["loss"], expected.detach())
    torch.testing.assert_close(log["nll_loss"], plain.detach())
    torch.testing.assert_close(gradients, {name: p.grad for name, p in model.named_parameters()})


def test_without_mixtures_or_weights_the_translation_loss_is_left() -> None:
    dense = build(**MIXTURES["none"])
    torch.testing.assert_close(run(dense, criterion())[0], translation_loss(dense, 0.1)[0])
    mixed = build().train()
    loss, _, log = run(mixed, criterion(importance=0.0, load=0.0))
    torch.testing.assert_close(loss, translation_loss(mixed, 0.1)[0])
    assert log["encoder_1_importance_loss"] == log["decoder_1_load_loss"] == 0
    assert log["encoder_1_importance_cv"] > 0


def test_figures_are_logged_as_sums_over_the_batch() -> None:
    model = build().train()
    _, _, log = run(model, criterion())
    routing = translation_loss(model, 0.1)[2]["decoder_1"]
    expected = {
        "decoder_1_importance_cv": squared_cv(routing.importance).sqrt(),
        "decoder_1_load_cv": squared_cv(routing.load).sqrt(),
        "decoder_1_max_over_mean_load": routing.load.max() / routing.load.mean(),
        "decoder_1_importance_loss": 0.7 * squared_cv(routing.importance),
        "decoder_1_load_loss": 0.3 * squared_cv(routing.load),
        "decoder_1_gate_loss": torch.tensor(0.0),
    }
    for name, value in expected.items():
        torch.testing.assert_close(log[name], WORDS * value.detach())
    assert (log["ntokens"], log["nsentences"], log["sample_size"]) == (WORDS, SENTENCES, WORDS)
    assert not any(torch.is_tensor(value) and value.requires_grad for value in log.values())


def test_metrics_are_means_over_all_batches_and_perplexity_is_the_translations_alone() -> None:
    first = {"loss": 80.0, "nll_loss": 20.0, "ntokens": 10, "sample_size": 10}
    second = {"loss": 40.0, "nll_loss": 40.0, "ntokens": 30, "sample_size": 30}
    outputs = [first | {"encoder_1_load_cv": 5.0}, second | {"encoder_1_load_cv": 3.0}]
    with metrics.aggregate(new_root=True) as aggregated:
        BalancedCrossEntropy.reduce_metrics(outputs)
    values = aggregated.get_smoothed_values()
    assert values["loss"] == round(120 / 40 / math.log(2), 3)
    assert values["nll_loss"] == round(60 / 40 / math.log(2), 3)
    assert values["ppl"] == pytest.approx(math.exp(60 / 40), abs=0.01)
    assert values["encoder_1_load_cv"] == 0.2


def test_a_mixture_may_have_any_name() -> None:
    mixture, loss = build().train(), criterion()
    routing = mixture(**BATCH["net_input"])[1]["routings"]["encoder_1"]
    _, figures = loss.balance({"language_model": routing})
    log = {name: WORDS * value for name, value in figures.items()}
    rest = {"loss": 8.0, "nll_loss": 2.0, "ntokens": WORDS, "sample_size": WORDS, "other": 1.0}
    with metrics.aggregate(new_root=True) as aggregated:
        BalancedCrossEntropy.reduce_metrics([log | rest])
    values = aggregated.get_smoothed_values()
    assert values.keys() == {"loss", "nll_loss", "ppl", *figures}
    for name, value in figures.items():
        assert values[name] == pytest.approx(value.item(), abs=0.001)


def test_logging_outputs_are_summed_over_workers() -> None:
    assert BalancedCrossEntropy.logging_outputs_can_be_summed()


@pytest.mark.parametrize("smoothing", [-0.1, 1.0])
def test_impossible_smoothing_is_refused(smoothing: float) -> None:
    with pytest.raises(UserError, match=r"--label-smoothing must be in \[0, 1\)"):
        criterion(smoothing=smoothing)


def test_training_alone_samples_words() -> None:
    """With very many draws all words are in the sample for certain: the softmax itself."""
    model = build(gate="softmax", k=4)
    full, many, few = (criterion(smoothing=0.0, sampled_words=n) for n in (0, 10**6, 3))
    expected = run(model, full)[0]
    torch.testing.assert_close(run(model, many)[0], expected)
    assert abs(float(run(model, few)[0] - expected)) > 1e-3
    torch.testing.assert_close(run(model, few.eval())[0], expected)


def test_sampling_refuses_what_it_cannot_do() -> None:
    with pytest.raises(UserError, match="leave out --label-smoothing"):
        criterion(smoothing=0.1, sampled_words=5)
    with pytest.raises(UserError, match="--sampled-words cannot be negative, as -1 is"):
        criterion(smoothing=0.0, sampled_words=-1)


@pytest.mark.parametrize("training", [True, False])
def test_an_adaptive_softmax_gives_the_loss_of_its_probabilities(training: bool) -> None:
    model = build_language_model(adaptive_softmax_cutoff="7,12").train(training)
    tokens = BATCH["net_input"]["prev_output_tokens"]
    batch = {**BATCH, "net_input": {"src_tokens": tokens}}
    torch.manual_seed(3)
    loss, _, log = criterion(smoothing=0.0, importance=0.0, load=0.0)(model, batch)
    torch.manual_seed(3)
    output = model(tokens)
    log_p = model.get_normalized_probs(output, log_probs=True)
    is_word = BATCH["target"].ne(1)
    expected = -log_p.gather(2, BATCH["target"][:, :, None])[:, :, 0][is_word].sum()
    torch.testing.assert_close(loss, expected)
    torch.testing.assert_close(log["nll_loss"], expected.detach())
    torch.testing.assert_close(log_p.exp().sum(-1), torch.ones(tokens.shape))
