"""The sampled softmax: its proposal, its weights, and the softmax that it estimates."""

import math

import pytest
import torch
from comparisons import assert_all_close, gradients, in_double
from module_checks import draw as draw_features

from moe_nmt.modules.projected_loss import projected_cross_entropy
from moe_nmt.modules.sampled_loss import Sample, draw, sampled_cross_entropy

CPU = torch.device("cpu")
WORDS, DIM, TOKENS = 30, 4, 5
TARGET = torch.tensor([0, 3, 29, 7, 7])


def case():
    return draw_features(TOKENS, DIM), draw_features(WORDS, DIM, seed=1)


def test_words_come_as_often_as_their_probability_says():
    torch.manual_seed(0)
    count, log_q, rounds, draws = torch.zeros(WORDS), torch.zeros(WORDS), 4000, 12
    for _ in range(rounds):
        sample = draw(WORDS, draws, CPU)
        assert sample.words.unique().numel() == sample.words.numel()
        count[sample.words] += 1
        log_q[sample.words] = sample.log_q
    for rank in range(WORDS):
        p = math.log((rank + 2) / (rank + 1)) / math.log(WORDS + 1)
        assert log_q[rank].exp().item() == pytest.approx(1 - (1 - p) ** draws, rel=1e-5)
    error = 4 * (0.25 / rounds) ** 0.5
    torch.testing.assert_close(count / rounds, log_q.exp(), rtol=0, atol=error)


def test_probabilities_add_up_to_one():
    ranks = torch.arange(WORDS, dtype=torch.float64)
    p = ((ranks + 2) / (ranks + 1)).log() / math.log(WORDS + 1)
    assert p.sum().item() == pytest.approx(1)


def test_formula_and_gradients_by_hand():
    features, weight = case()
    sample = Sample(torch.tensor([1, 3, 8]), torch.tensor([-0.5, -0.1, -1.5]))
    slow_features, slow_weight = in_double(features, weight)
    slow = 0
    for x, target in zip(slow_features, TARGET.tolist(), strict=True):
        z = (x @ slow_weight[target]).exp()
        for word, log_q in zip([1, 3, 8], [-0.5, -0.1, -1.5], strict=True):
            if word != target:
                z = z + (x @ slow_weight[word]).exp() / math.exp(log_q)
        slow = slow + z.log() - x @ slow_weight[target]
    fast = sampled_cross_entropy(features, weight, TARGET, sample)
    assert_all_close([fast.smoothed, fast.negative_log_likelihood], [slow, slow])
    assert_all_close(
        gradients([fast.smoothed], [features, weight]),
        gradients([slow], [slow_features, slow_weight]),
    )


def test_all_words_for_certain_are_the_softmax():
    features, weight = case()
    everything = Sample(torch.arange(WORDS), torch.zeros(WORDS))
    fast = sampled_cross_entropy(features, weight, TARGET, everything).smoothed
    full = projected_cross_entropy(features, weight, TARGET, 0.0).smoothed
    assert_all_close([fast], [full])
    assert_all_close(gradients([fast], [features, weight]), gradients([full], [features, weight]))


def test_the_sum_over_words_is_right_on_average():
    torch.manual_seed(0)
    features, weight = (tensor.detach() for tensor in case())
    scores = features @ weight.t()
    at_target = scores.gather(1, TARGET[:, None])[:, 0]
    total, squares, rounds = torch.zeros(TOKENS), torch.zeros(TOKENS), 3000
    for _ in range(rounds):
        sample = draw(WORDS, 8, CPU)
        z = torch.stack(
            [
                sampled_cross_entropy(x[None], weight, t[None], sample).smoothed.exp() * s.exp()
                for x, t, s in zip(features, TARGET, at_target, strict=True)
            ]
        )
        total, squares = total + z, squares + z**2
    mean = total / rounds
    error = ((squares / rounds - mean**2) / rounds).sqrt()
    assert ((mean - scores.exp().sum(1)).abs() < 4 * error).all()
