"""Small untrained models, and batches for them."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import torch
from fairseq.data import Dictionary, data_utils
from torch import Tensor, nn

from moe_nmt.models.config import GNMTMoEConfig, LSTMMoELanguageModelConfig
from moe_nmt.models.gnmt_moe import GNMTMoEModel
from moe_nmt.models.language_model import LSTMMoELanguageModel

SIZES: dict[str, object] = {
    "model_dim": 16,
    "lstm_cells": 16,
    "encoder_layers": 2,
    "encoder_moe_after": "1",
    "attention_dim": 8,
    "expert_hidden": 24,
    "experts": 4,
    "k": 2,
    "gate": "noisy-top-k",
    "dropout": 0.0,
}

LANGUAGE_MODEL_SIZES: dict[str, object] = {
    "model_dim": 16,
    "lstm_cells": 16,
    "expert_hidden": 24,
    "experts": 4,
    "k": 2,
    "dropout": 0.0,
}

# Options of each kind of mixture.
MIXTURES: dict[str, dict[str, object]] = {
    "none": {"encoder_moe_after": "", "decoder_moe_after": ""},
    "softmax": {"gate": "softmax", "k": 4},
    "noisy-top-k": {"gate": "noisy-top-k"},
    "strictly-balanced": {"gate": "strictly-balanced"},
    "hierarchical": {"experts": 12, "expert_groups": 4},
}


def dictionary(words: int = 20) -> Dictionary:
    """A dictionary of so many entries, fairseq's four included."""
    entries = Dictionary()
    for index in range(words - len(entries)):
        entries.add_symbol(f"word{index}")
    return entries


def task_of(source: Dictionary, target: Dictionary) -> Any:
    """What a model or a criterion needs of a task."""
    return SimpleNamespace(source_dictionary=source, target_dictionary=target)


def build(vocabulary: int = 20, seed: int = 1, **options: object) -> GNMTMoEModel:
    """A model whose gates have been drawn at random, not left at zero; in evaluation mode."""
    torch.manual_seed(seed)
    words = dictionary(vocabulary)
    model = GNMTMoEModel.build_model(GNMTMoEConfig(**{**SIZES, **options}), task_of(words, words))
    return with_drawn_gates(model)


def build_language_model(vocabulary: int = 20, **options: object) -> LSTMMoELanguageModel:
    """The same of a language model."""
    torch.manual_seed(1)
    words = dictionary(vocabulary)
    config = LSTMMoELanguageModelConfig(**{**LANGUAGE_MODEL_SIZES, **options})
    return with_drawn_gates(LSTMMoELanguageModel.build_model(config, task_of(words, words)))


def with_drawn_gates(model: Any) -> Any:
    """A model with gates that choose, in evaluation mode."""
    for name, parameter in model.named_parameters():
        if "gate" in name and "threshold" not in name:
            nn.init.normal_(parameter)
    return model.eval()


def sentences(*lengths: int, seed: int = 1, vocabulary: int = 20) -> list[Tensor]:
    """Random sentences of these lengths, the end of sentence included."""
    generator = torch.Generator().manual_seed(seed)
    words = [torch.randint(4, vocabulary, (length - 1,), generator=generator) for length in lengths]
    return [torch.cat([sentence, torch.tensor([2])]) for sentence in words]


def collate(
    sources: list[Tensor], targets: list[Tensor], more_padding: int = 0, first: int = 0
) -> dict[str, Any]:
    """A batch as fairseq collates it, with ``more_padding`` columns of padding.

    ``first`` is the number of the first sentence in the data set.
    """

    def padded(tokens: list[Tensor], **options: bool) -> Tensor:
        length = max(len(sentence) for sentence in tokens) + more_padding
        batch: Tensor = data_utils.collate_tokens(tokens, 1, 2, pad_to_length=length, **options)
        return batch

    return {
        "id": torch.arange(first, first + len(sources)),
        "net_input": {
            "src_tokens": padded(sources),
            "src_lengths": torch.tensor([len(sentence) for sentence in sources]),
            "prev_output_tokens": padded(targets, move_eos_to_beginning=True),
        },
        "target": padded(targets),
        "ntokens": sum(len(sentence) for sentence in targets),
        "nsentences": len(targets),
    }
