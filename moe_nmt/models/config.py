"""The options of the models, with the paper's values as defaults (App. C and E)."""

from dataclasses import dataclass, fields
from typing import Any, TypeVar

import torch
from fairseq.dataclass import ChoiceEnum, FairseqDataclass

from moe_nmt.modules.attention import ATTENTIONS
from moe_nmt.modules.attentive_lstm import FEEDS
from moe_nmt.moe.build import GATES
from moe_nmt.options import option

PRECISIONS = {"fp32": torch.float32, "bf16": torch.bfloat16}


@dataclass
class MixtureConfig(FairseqDataclass):
    """Options of every model with mixtures of experts."""

    model_dim: int = option(512, "size of embeddings and of every layer's input and output")
    experts: int = option(32, "experts of a MoE layer, in all its groups")
    expert_groups: int = option(1, "groups of a hierarchical MoE (App. B); 1 for a flat one")
    k: int = option(4, "experts per token; of a hierarchical MoE, at each of the two levels")
    expert_hidden: int = option(2048, "hidden units of an expert")
    expert_depth: int = option(1, "hidden layers of an expert, of as many units each")
    recompute_experts: bool = option(
        False, "compute the experts' hidden units again in the backward pass, to save memory"
    )
    experts_precision: ChoiceEnum(list(PRECISIONS)) = option(  # type: ignore[valid-type]
        "fp32",
        "in which the experts' weights are kept: bf16 takes half the memory, needs --optimizer "
        "factored_experts, and rounds its updates at random",
    )
    gate: ChoiceEnum(list(GATES)) = option(  # type: ignore[valid-type]
        "strictly-balanced", "how experts are chosen"
    )
    most_experts: int = option(
        0,
        "experts per token in evaluation, at most and at each level, of a strictly balanced gate; "
        "0: four times k",
    )
    dropout: float = option(0.4, "on the output of all embedding, LSTM and MoE layers")
    share_decoder_input_output_embed: bool = option(
        False, "one embedding for the decoder's input and the softmax"
    )


@dataclass
class GNMTMoEConfig(MixtureConfig):
    """Options of ``--arch gnmt_moe`` and its named variants (section 5.3, App. E)."""

    lstm_cells: int = option(2048, "cells of an LSTM; projected to model_dim where larger")
    encoder_layers: int = option(3, "LSTM layers in the encoder")
    decoder_layers: int = option(2, "LSTM layers in the decoder")
    encoder_bidirectional: bool = option(
        False, "let the encoder's first layer read in both directions"
    )
    attention: ChoiceEnum(list(ATTENTIONS)) = option(  # type: ignore[valid-type]
        "product", "attention function: the paper's product of tanh (App. G) or GNMT's additive"
    )
    attention_dim: int = option(512, "size of the space in which source and target are compared")
    attention_feed: ChoiceEnum(list(FEEDS)) = option(  # type: ignore[valid-type]
        "input",
        "where the context goes: 'input' of the first decoder LSTM at the next step (the paper's), "
        "or its 'output' at the same step, which trains faster",
    )
    encoder_moe_after: str = option(
        "2", "numbers of LSTM layers after which a MoE layer follows, as in '1,2'; '' for none"
    )
    decoder_moe_after: str = option("1", "the same for the decoder")
    share_all_embeddings: bool = option(
        False, "one embedding for source, target and softmax (needs a joint dictionary)"
    )


@dataclass
class LSTMMoELanguageModelConfig(MixtureConfig):
    """Options of ``--arch lstm_moe_lm`` and its named variants (section 5.1, App. C)."""

    lstm_cells: int = option(512, "cells of an LSTM; projected to model_dim where larger")
    lstm_layers: int = option(2, "LSTM layers")
    moe_after: str = option(
        "1", "numbers of LSTM layers after which a MoE layer follows, as in '1,2'; '' for none"
    )
    recurrent_moe: str = option(
        "",
        "numbers of LSTM layers whose four gates are a mixture of experts of [x, h] themselves, as "
        "section 3.1 suggests; slow, and on one worker",
    )
    adaptive_softmax_cutoff: str = option(
        "",
        "ends of the groups of words by rank, as in '2000,10000', for fairseq's adaptive softmax: "
        "rare words have smaller vectors and are computed seldom; '' for one softmax",
    )
    expert_hidden: int = option(1024, "hidden units of an expert")
    gate: ChoiceEnum(list(GATES)) = option(  # type: ignore[valid-type]
        "noisy-top-k", "how experts are chosen"
    )
    dropout: float = option(0.1, "on the output of all embedding, LSTM and MoE layers")


Config = TypeVar("Config", bound=MixtureConfig)

# Sizes of either model, each at least 1.
SIZES = (
    "model_dim",
    "lstm_cells",
    "lstm_layers",
    "encoder_layers",
    "decoder_layers",
    "attention_dim",
    "expert_hidden",
    "expert_depth",
)


def completed(kind: type[Config], cfg: Any) -> Config:
    """The options of a model, with defaults for those that its checkpoint does not know yet."""
    values: dict[str, Any] = {f.name: getattr(cfg, f.name, f.default) for f in fields(kind)}
    return kind(**values)


def moe_positions(text: str, layers: int, name: str) -> list[int]:
    """Parses a list of layer numbers such as '1,2'.

    Raises:
        ValueError: what is wrong with ``text``, the value of option ``name``.
    """
    try:
        positions = [int(part) for part in text.split(",") if part.strip()]
    except ValueError:
        raise ValueError(f"{name} is a list of layer numbers such as 1,2, not {text!r}") from None
    if any(not 1 <= position <= layers for position in positions):
        raise ValueError(f"{name} {text!r}: the layers are numbered from 1 to {layers}")
    if len(set(positions)) < len(positions):
        raise ValueError(f"{name} {text!r} names a layer twice")
    return positions


def validate(config: MixtureConfig) -> None:
    """Checks what the modules' own constructors do not.

    Raises:
        ValueError: the wrong option and its limits, in one sentence.
    """
    for name in SIZES:
        if getattr(config, name, 1) < 1:
            raise ValueError(f"--{name.replace('_', '-')} must be at least 1")
    if config.most_experts and str(config.gate) != "strictly-balanced":
        raise ValueError(f"--most-experts is of --gate strictly-balanced, not {config.gate}")
    if not 0 <= config.dropout < 1:
        raise ValueError(f"--dropout must be in [0, 1), not {config.dropout}")
