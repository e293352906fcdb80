"""The language model: padding, single steps, and state carried from batch to batch."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from small_models import (
    LANGUAGE_MODEL_SIZES,
    MIXTURES,
    build_language_model,
    collate,
    dictionary,
    sentences,
    task_of,
)
from torch import Tensor

from moe_nmt.errors import UserError
from moe_nmt.models.config import LSTMMoELanguageModelConfig
from moe_nmt.models.language_model import LSTMMoELanguageModel
from moe_nmt.moe.workers import Workers

KINDS: dict[str, dict[str, Any]] = {
    **{name: mixture for name, mixture in MIXTURES.items() if name != "none"},
    "none": {"moe_after": ""},
    "stacked": {"lstm_layers": 3, "moe_after": "1,2", "lstm_cells": 24},
    "deep": {"expert_depth": 3},
    "recurrent": {"recurrent_moe": "1,2", "moe_after": ""},
    "recurrent and between": {"recurrent_moe": "2", "lstm_cells": 24, "experts": 5},
    "adaptive": {"adaptive_softmax_cutoff": "7,12"},
    "tied": {"share_decoder_input_output_embed": True},
}


def batch(*lengths: int, more_padding: int = 0) -> Tensor:
    texts = sentences(*lengths)
    tokens: Tensor = collate(texts, texts, more_padding)["net_input"]["prev_output_tokens"]
    return tokens


@pytest.mark.parametrize("kind", KINDS)
@torch.no_grad()
def test_a_sentence_in_a_padded_batch_is_as_alone(kind: str) -> None:
    model = build_language_model(**KINDS[kind])
    tokens = batch(5, 3, 7, more_padding=2)
    logits, extra = model(tokens, src_lengths=None)
    for row, length in enumerate((5, 3, 7)):
        alone, _ = model(tokens[row : row + 1, :length])
        torch.testing.assert_close(logits[row, :length], alone[0])
    recurrent = KINDS[kind].get("recurrent_moe", "").split(",")
    assert extra["routings"].keys() == {
        *(f"decoder_{layer}" for layer in model.decoder.stack.mixtures),
        *(f"decoder_lstm_{layer}" for layer in recurrent if layer),
    }
    for routing in extra["routings"].values():
        torch.testing.assert_close(routing.importance.sum(), torch.tensor(15.0))


@pytest.mark.parametrize("kind", KINDS)
@torch.no_grad()
def test_each_step_equals_whole_sequences_and_follows_reordering(kind: str) -> None:
    model = build_language_model(**KINDS[kind])
    tokens, state = batch(6, 6, 6), {}
    order = torch.tensor([2, 0, 0, 1])
    for step in range(3):
        logits, _ = model.decoder(tokens[:, : step + 1], None, incremental_state=state)
        torch.testing.assert_close(logits[:, 0], model(tokens)[0][:, step])
    model.decoder.reorder_incremental_state_scripting(state, order)
    tokens = tokens[order]
    for step in range(3, 6):
        logits, _ = model.decoder(tokens[:, : step + 1], None, incremental_state=state)
        torch.testing.assert_close(logits[:, 0], model(tokens)[0][:, step])


@pytest.mark.parametrize("kind", KINDS)
def test_batches_that_go_on_are_one_long_text(kind: str) -> None:
    model = build_language_model(**KINDS[kind])
    tokens = batch(9, 9, 9)
    whole = model(tokens)[0]
    begin = model(tokens[:, :4], goes_on=False)[0]
    torch.testing.assert_close(begin, whole[:, :4])
    # evaluation in between keeps another state; the last row's text has ended
    model.train()
    model(tokens[:, :2], goes_on=False)
    model.eval()
    rest = model(tokens[:2, 4:], goes_on=True)[0]
    torch.testing.assert_close(rest, whole[:2, 4:])
    rest.sum().backward()  # it ends at the batch: nothing of the one before is kept
    assert not any(state.requires_grad for layer in model.decoder.carried[False] for state in layer)
    torch.testing.assert_close(model(tokens[:, :4], goes_on=False)[0], whole[:, :4])


def test_recurrent_mixtures_need_one_worker() -> None:
    words = dictionary(20)
    task = task_of(words, words)
    task.workers = Workers()
    task.workers.world = 2
    config = LSTMMoELanguageModelConfig(recurrent_moe="1")
    with pytest.raises(UserError, match="--recurrent-moe needs one worker"):
        LSTMMoELanguageModel.build_model(config, task)


def test_a_batch_that_stands_alone_carries_nothing() -> None:
    model = build_language_model()
    model(batch(4, 4))
    assert model.decoder.carried == {}


def test_the_words_of_a_batch_are_counted_before_it_moves() -> None:
    model = build_language_model()
    tokens = batch(5, 3)
    assert model.count_words({"src_tokens": tokens})["words"] == 8


def test_what_fairseq_asks_of_a_language_model() -> None:
    model = build_language_model()
    assert model.supported_targets == {"future"}
    assert model.max_positions() == torch.iinfo(torch.int32).max
    log_p = model.get_normalized_probs(model(batch(5, 3)), log_probs=True)
    torch.testing.assert_close(log_p.exp().sum(-1), torch.ones(2, 5))


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"moe_after": "3"}, r"--moe-after '3': the layers are numbered from 1 to 2"),
        ({"lstm_layers": 0}, "--lstm-layers must be at least 1"),
        ({"expert_depth": 0}, "--expert-depth must be at least 1"),
        ({"most_experts": 3}, "--most-experts is of --gate strictly-balanced, not noisy-top-k"),
        ({"gate": "strictly-balanced", "most_experts": 1}, "fewer experts in evaluation, 1, than"),
        ({"dropout": 1.0}, r"--dropout must be in \[0, 1\), not 1.0"),
        ({"lstm_cells": 8}, "an LSTM cannot project its 8 cells up to 16"),
        ({"k": 5}, "k must be between 1 and the 4 experts"),
        ({"adaptive_softmax_cutoff": "7,x"}, "'7,x': name ends of groups of words, as in"),
        ({"adaptive_softmax_cutoff": "9,7"}, "'9,7': the ends have to ascend, from 1 to 19"),
        ({"adaptive_softmax_cutoff": "7,20"}, "the ends have to ascend, from 1 to 19"),
        ({"adaptive_softmax_cutoff": "3,5,9"}, "too many groups for --model-dim 16"),
        (
            {"adaptive_softmax_cutoff": "7", "share_decoder_input_output_embed": True},
            "exclude each other",
        ),
        ({"expert_groups": 3}, "4 experts cannot be divided evenly into 3 groups"),
    ],
)
def test_wrong_options_end_in_a_sentence(options: dict[str, Any], message: str) -> None:
    words = dictionary()
    config = LSTMMoELanguageModelConfig(**{**LANGUAGE_MODEL_SIZES, **options})
    with pytest.raises(UserError, match=message):
        LSTMMoELanguageModel.build_model(config, task_of(words, words))


def test_a_smaller_output_dictionary_is_refused() -> None:
    config = LSTMMoELanguageModelConfig(**LANGUAGE_MODEL_SIZES)
    with pytest.raises(UserError, match="leave out --output-dictionary-size"):
        LSTMMoELanguageModel.build_model(config, task_of(dictionary(20), dictionary(10)))
