"""Language models going on with beginnings: fairseq's beam, and words drawn at random."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from fairseq.sequence_generator import SequenceGenerator
from small_models import build_language_model, dictionary
from torch import Tensor

from moe_nmt.errors import LimitError, UserError
from moe_nmt.search.continuing import ContinuationOptions, Sampling, continued, drawn

WORDS = dictionary()
END = WORDS.eos()
BEGINNINGS: list[list[list[int]]] = [[[5, 6], [4, 4], [7, 8]], [[]], [[9, 10, 11, 4, 5]]]


def share(log_p: Tensor, sampling: Sampling, draws: int = 20_000) -> list[float]:
    """How often each word is drawn by evenly spread numbers."""
    uniform = (torch.arange(draws) + 0.5) / draws
    counts = drawn(log_p.expand(draws, -1), uniform, sampling).bincount(minlength=len(log_p))
    return [float(count) / draws for count in counts]


@pytest.mark.parametrize(
    ("sampling", "expected"),
    [
        (Sampling(), [0.1, 0.0, 0.4, 0.3, 0.2]),
        (Sampling(topk=2), [0, 0, 4 / 7, 3 / 7, 0]),
        (Sampling(topk=99), [0.1, 0.0, 0.4, 0.3, 0.2]),
        (Sampling(topp=0.69), [0, 0, 4 / 7, 3 / 7, 0]),
        (Sampling(topp=0.71), [0, 0, 4 / 9, 3 / 9, 2 / 9]),
        (Sampling(topp=0.01), [0, 0, 1, 0, 0]),
        (Sampling(topk=3, topp=0.5), [0, 0, 4 / 7, 3 / 7, 0]),
    ],
)
def test_words_are_drawn_by_their_probability(sampling: Sampling, expected: list[float]) -> None:
    log_p = torch.tensor([0.1, 0.0, 0.4, 0.3, 0.2]).log()
    assert share(log_p, sampling) == pytest.approx(expected, abs=1e-3)


def test_the_first_and_the_last_number_draw_words_that_may_be() -> None:
    log_p = torch.tensor([0.0, 0.3, 0.3, 0.4, 0.0]).log()
    assert int(drawn(log_p, torch.tensor(0.0), Sampling())) == 1
    assert int(drawn(log_p, torch.tensor(1 - 2**-24), Sampling())) == 3


@pytest.mark.parametrize(
    ("kind", "values", "words"),
    [
        (Sampling, {"topk": -1}, "topk must be at least 0"),
        (Sampling, {"topp": 0.0}, "topp must be greater than 0"),
        (ContinuationOptions, {"beam": 0}, "beam must be at least 1"),
        (ContinuationOptions, {"temperature": 0.0}, "temperature must be greater than 0"),
        (ContinuationOptions, {"length_exponent": float("nan")}, "length_exponent must be finite"),
    ],
)
def test_options_outside_their_limits(kind: Any, values: dict[str, Any], words: str) -> None:
    with pytest.raises(LimitError, match=words):
        kind(**values)


def tokens_of(found: list[list[dict[str, Any]]]) -> list[list[list[int]]]:
    return [[hypothesis["tokens"].tolist() for hypothesis in one] for one in found]


@pytest.mark.parametrize("beginnings", BEGINNINGS)
@pytest.mark.parametrize("options", [{}, {"adaptive_softmax_cutoff": "8,14"}])
def test_the_beam_is_fairseqs(beginnings: list[list[int]], options: dict[str, object]) -> None:
    models = [build_language_model(**options)]
    prefix = torch.tensor(beginnings, dtype=torch.long).view(len(beginnings), -1)
    found = continued(models, WORDS, prefix, 6, ContinuationOptions(beam=3), [1] * len(prefix))
    theirs = SequenceGenerator(
        models,
        WORDS,
        beam_size=3,
        max_len_b=prefix.size(1) + 6,
        unk_penalty=50.0,  # beyond what any word can make up for
        tokens_to_suppress=("<s>",),
    )
    source = torch.cat([prefix.new_full((len(prefix), 1), END), prefix], 1)
    sample = {"net_input": {"src_tokens": source, "src_lengths": source.ne(1).sum(1)}}
    expected = theirs.generate(models, sample, prefix_tokens=prefix, bos_token=END)
    assert tokens_of(found) == tokens_of(expected)
    for one, other in zip(found, expected, strict=True):
        torch.testing.assert_close(one[0]["score"], other[0]["score"])


def test_what_is_drawn_depends_on_no_other_sentence() -> None:
    models = [build_language_model()]
    prefix, seeds = torch.tensor([[5, 6], [3, 3], [7, 8]]), [11, 12, 13]
    options = ContinuationOptions(beam=3, sampling=Sampling())
    together = tokens_of(continued(models, WORDS, prefix, 9, options, seeds))
    for number, seed in enumerate(seeds):
        (alone,) = tokens_of(
            continued(models, WORDS, prefix[number : number + 1], 9, options, [seed])
        )
        assert alone == together[number]
        assert len({tuple(tokens) for tokens in alone}) == 3
        for tokens in alone:
            assert tokens[:2] == prefix[number].tolist()
            assert {WORDS.unk(), WORDS.bos(), WORDS.pad()}.isdisjoint(tokens[2:])
            assert tokens[-1] == END
    assert tokens_of(continued(models, WORDS, prefix, 9, options, [1, 2, 3])) != together


def test_draws_follow_the_probabilities_of_the_model() -> None:
    model = build_language_model()
    draws = 3000
    options = ContinuationOptions(beam=1, temperature=2.0, sampling=Sampling())
    found = continued([model], WORDS, torch.tensor([[5]] * draws), 1, options, range(draws))
    counts = torch.tensor([h[0]["tokens"][1] for h in found]).bincount(minlength=len(WORDS))
    with torch.no_grad():
        p = (model(torch.tensor([[END, 5]]))[0][0, -1] / 2.0).softmax(-1)
    p[[WORDS.unk(), WORDS.bos(), WORDS.pad()]] = 0.0
    torch.testing.assert_close(counts / draws, p / p.sum(), atol=0.03, rtol=0)


@pytest.mark.parametrize("sampling", [None, Sampling()])
def test_a_model_that_computes_nan_says_so(sampling: Sampling | None) -> None:
    model = build_language_model()
    model.decoder.embedding.weight.data.fill_(float("nan"))
    options = ContinuationOptions(sampling=sampling)
    with pytest.raises(UserError, match="the model computes nan"):
        continued([model], WORDS, torch.tensor([[5]]), 5, options, [1])
