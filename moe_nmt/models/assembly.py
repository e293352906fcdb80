"""The parts that both models are assembled from, by the options of their configurations."""

from __future__ import annotations

from argparse import Namespace
from collections.abc import Callable, Mapping
from typing import Any

from fairseq.models import register_model_architecture
from torch import nn

from moe_nmt.models.config import PRECISIONS, MixtureConfig, moe_positions
from moe_nmt.modules.stack import NamedMixture
from moe_nmt.moe.build import build_mixture_of_experts
from moe_nmt.moe.layer import MixtureOfExperts
from moe_nmt.moe.workers import Workers


def named_mixtures(
    cfg: MixtureConfig, side: str, layers: int, option: str, workers: Workers | None
) -> dict[int, NamedMixture]:
    """The mixtures of a stack, by the number of the LSTM layer that each comes after.

    Args:
        cfg: the options of the model.
        side: "encoder" or "decoder"; the mixture after layer 2 is called encoder_2, say.
        layers: LSTM layers of the stack.
        option: the field that lists the layers, such as ``encoder_moe_after``.
        workers: among whom each mixture's experts are divided; None for one worker.

    Raises:
        ValueError: an option is wrong.
    """
    return {
        layer: NamedMixture(f"{side}_{layer}", mixture(cfg, cfg.model_dim, workers=workers))
        for layer in moe_positions(getattr(cfg, option), layers, f"--{option.replace('_', '-')}")
    }


def mixture(
    cfg: MixtureConfig,
    input_dim: int,
    output_dim: int | None = None,
    workers: Workers | None = None,
) -> MixtureOfExperts:
    """A mixture by the options of a model; see ``build_mixture_of_experts``."""
    return build_mixture_of_experts(
        input_dim,
        cfg.expert_hidden,
        cfg.experts,
        cfg.k,
        str(cfg.gate),
        cfg.expert_groups,
        most=cfg.most_experts or None,
        depth=cfg.expert_depth,
        recompute=cfg.recompute_experts,
        precision=PRECISIONS[str(cfg.experts_precision)],
        output_dim=output_dim,
        workers=workers,
    )


def word_embedding(dictionary: Any, dim: int) -> nn.Embedding:
    """Word vectors drawn from N(0, 1/dim), so that a tied softmax starts with small logits."""
    embedding = nn.Embedding(len(dictionary), dim, padding_idx=dictionary.pad())
    nn.init.normal_(embedding.weight, std=dim**-0.5)
    if not embedding.weight.is_meta:
        nn.init.zeros_(embedding.weight[dictionary.pad()])
    return embedding


def register_architectures(model: str, architectures: Mapping[str, Mapping[str, Any]]) -> None:
    """Names variants of a registered model for --arch."""
    for name, values in architectures.items():
        register_model_architecture(model, name)(setter(values))


def setter(values: Mapping[str, Any]) -> Callable[[Namespace], None]:
    """A function that fills in the options the user did not give."""

    def set_defaults(args: Namespace) -> None:
        for name, value in values.items():
            if not hasattr(args, name):
                setattr(args, name, value)

    return set_defaults
