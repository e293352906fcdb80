"""Decoding word by word computes what teacher forcing does."""

import itertools

import pytest
import torch
from small_models import MIXTURES, build, collate, sentences
from torch import Tensor

from moe_nmt.models.gnmt_moe import GNMTMoEModel

VARIANTS = list(itertools.product(["input", "output"], ["product", "additive"], [16, 24], MIXTURES))


def variant(feed: str, attention: str, cells: int, mixture: str) -> GNMTMoEModel:
    return build(attention_feed=feed, attention=attention, lstm_cells=cells, **MIXTURES[mixture])


def decode(model: GNMTMoEModel, words: Tensor, encoded: object, state: dict) -> Tensor:
    """The last word's logits: [batch, vocabulary]."""
    logits, _ = model.decoder(words, encoded, incremental_state=state)
    assert logits.size(1) == 1
    return logits[:, 0]


@pytest.mark.parametrize(("feed", "attention", "cells", "mixture"), VARIANTS)
@torch.no_grad()
def test_each_step_equals_teacher_forcing(
    feed: str, attention: str, cells: int, mixture: str
) -> None:
    model = variant(feed, attention, cells, mixture)
    batch = collate(sentences(5, 3, 7), sentences(6, 4, 2, seed=2))["net_input"]
    expected, _ = model(**batch)
    encoded = model.encoder(batch["src_tokens"])
    words, state = batch["prev_output_tokens"], {}
    steps = [decode(model, words[:, : step + 1], encoded, state) for step in range(words.size(1))]
    is_word = words.ne(1)
    torch.testing.assert_close(torch.stack(steps, dim=1)[is_word], expected[is_word])


@pytest.mark.parametrize(("feed", "attention", "cells", "mixture"), VARIANTS)
@torch.no_grad()
def test_the_state_follows_reordered_hypotheses(
    feed: str, attention: str, cells: int, mixture: str
) -> None:
    model = variant(feed, attention, cells, mixture)
    batch = collate(sentences(5, 3, 7), sentences(6, 6, 6, seed=2))["net_input"]
    words, state = batch["prev_output_tokens"], {}
    encoded = model.encoder(batch["src_tokens"])
    for step in range(3):
        decode(model, words[:, : step + 1], encoded, state)
    order = torch.tensor([2, 0, 0, 1])  # one sentence twice, as in a beam
    model.decoder.reorder_incremental_state_scripting(state, order)
    words = words[order]
    expected, _ = model(batch["src_tokens"][order], None, words)
    encoded = model.encoder.reorder_encoder_out(encoded, order)
    for step in range(3, 6):
        step_logits = decode(model, words[:, : step + 1], encoded, state)
        torch.testing.assert_close(step_logits, expected[:, step])


@torch.no_grad()
def test_a_reordered_encoder_output_is_that_of_the_reordered_sentences() -> None:
    model = build(encoder_bidirectional=True)
    batch = collate(sentences(5, 3, 7), sentences(6, 4, 2))["net_input"]["src_tokens"]
    order = torch.tensor([2, 0, 0, 1])
    reordered = model.encoder.reorder_encoder_out(model.encoder(batch), order)
    expected = model.encoder(batch[order])
    assert reordered["padding"].equal(expected["padding"])
    is_word = ~expected["padding"]
    torch.testing.assert_close(reordered["values"][is_word], expected["values"][is_word])
