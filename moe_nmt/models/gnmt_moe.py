"""The paper's translation model: GNMT cut down, with mixtures of experts (section 5.3, App. E)."""

from __future__ import annotations

from argparse import Namespace
from collections.abc import Callable, Mapping
from typing import Any

import torch
from fairseq.models import (
    FairseqEncoderDecoderModel,
    register_model,
    register_model_architecture,
)
from torch import Tensor, nn

from moe_nmt.errors import UserError
from moe_nmt.models.architectures import ARCHITECTURES
from moe_nmt.models.config import GNMTMoEConfig, completed, moe_positions, validate
from moe_nmt.models.decoder import GNMTDecoder
from moe_nmt.models.encoder import GNMTEncoder, refuse_left_padding
from moe_nmt.models.hub import Hub, from_pretrained
from moe_nmt.modules.attention import ATTENTIONS
from moe_nmt.modules.attentive_lstm import FEEDS
from moe_nmt.modules.lstm import BidirectionalLSTM, lstm
from moe_nmt.modules.stack import NamedMixture, RecurrentStack
from moe_nmt.moe.build import build_mixture_of_experts
from moe_nmt.moe.gate import Gate
from moe_nmt.moe.workers import Workers

NAME = "gnmt_moe"


@register_model(NAME, dataclass=GNMTMoEConfig)
class GNMTMoEModel(FairseqEncoderDecoderModel):
    """Stacked LSTMs with attention and mixture-of-experts layers between them."""

    @classmethod
    def build_model(cls, cfg: GNMTMoEConfig, task: Any) -> GNMTMoEModel:
        """Builds the model for the dictionaries of ``task``.

        Raises:
            UserError: an option is wrong; the message names it and its limits.
        """
        try:
            workers = getattr(task, "workers", None)
            words = task.source_dictionary, task.target_dictionary
            return build_model(cls, completed(cfg), *words, workers)
        except ValueError as error:
            raise UserError(f"{error}") from error

    @classmethod
    def from_pretrained(
        cls,
        model_name_or_path: str,
        checkpoint_file: str = "model.pt",
        data_name_or_path: str = ".",
        **overrides: Any,
    ) -> Hub:
        """Loads a checkpoint to call from Python; nothing of fairseq need be imported before.

        Args:
            model_name_or_path: the folder of the checkpoint.
            checkpoint_file: its name there; several between colons are an ensemble.
            data_name_or_path: the folder of the dictionaries; within the former if it begins
                with a full stop.
            overrides: options, such as ``bpe="sentencepiece"`` and ``sentencepiece_model``.

        Raises:
            UserError: a folder or a file is missing, or is no checkpoint.
        """
        return from_pretrained(model_name_or_path, checkpoint_file, data_name_or_path, **overrides)

    def forward(
        self,
        src_tokens: Tensor,
        src_lengths: Tensor | None,
        prev_output_tokens: Tensor,
        features_only: bool = False,
        source_words: int | None = None,
        target_words: int | None = None,
    ) -> tuple[Tensor, dict[str, Any]]:
        """Teacher forcing; see ``GNMTDecoder.forward`` for the result.

        Args:
            src_tokens: [batch, source], padded at the end.
            src_lengths: not needed; fairseq passes it.
            prev_output_tokens: [batch, target], the target shifted by one, padded at the end.
            features_only: leave out the projection to the vocabulary.
            source_words: how many tokens are no padding; None: a GPU is waited for to say so.
            target_words: the same of the target.
        """
        encoder_out = self.encoder(src_tokens, src_lengths, source_words)
        output: tuple[Tensor, dict[str, Any]] = self.decoder(
            prev_output_tokens,
            encoder_out,
            features_only=features_only,
            target_words=target_words,
        )
        return output

    def count_words(self, net_input: dict[str, Any]) -> dict[str, Any]:
        """A batch with the numbers of its words, so that no device has to be asked for them.

        Args:
            net_input: the arguments of ``forward``, still in the host's memory.
        """
        source, target = net_input["src_tokens"], net_input["prev_output_tokens"]
        padding = source.eq(self.encoder.padding_idx)
        refuse_left_padding(padding)
        return {
            **net_input,
            "source_words": padding.numel() - int(padding.sum()),
            "target_words": int(target.ne(self.decoder.padding_idx).sum()),
        }

    def prepare_for_inference_(self, cfg: Any) -> None:
        """Gets ready to translate, in the precision of the task."""
        super().prepare_for_inference_(cfg)
        if str(getattr(cfg.task, "precision", "fp32")) == "bf16":
            self.to_bfloat16()

    def to_bfloat16(self) -> None:
        """Casts all weights to bfloat16 for good, but those of gates: they compute in float32."""
        gates = {
            p for module in self.modules() if isinstance(module, Gate) for p in module.parameters()
        }
        for parameter in self.parameters():
            if parameter not in gates:
                parameter.data = parameter.data.to(torch.bfloat16)


def build_model(
    cls: type[GNMTMoEModel],
    cfg: GNMTMoEConfig,
    source: Any,
    target: Any,
    workers: Workers | None = None,
) -> GNMTMoEModel:
    """Assembles encoder and decoder for a source and a target dictionary.

    With ``workers`` each mixture's experts are divided among them.

    Raises:
        ValueError: an option is wrong.
    """
    validate(cfg)
    dim, cells = cfg.model_dim, cfg.lstm_cells

    def mixtures(side: str) -> dict[int, NamedMixture]:
        text, layers = getattr(cfg, f"{side}_moe_after"), getattr(cfg, f"{side}_layers")
        return {
            layer: NamedMixture(
                f"{side}_{layer}",
                build_mixture_of_experts(
                    dim,
                    cfg.expert_hidden,
                    cfg.experts,
                    cfg.k,
                    str(cfg.gate),
                    cfg.expert_groups,
                    recompute=cfg.recompute_experts,
                    workers=workers,
                ),
            )
            for layer in moe_positions(text, layers, f"--{side}-moe-after")
        }

    encoder_embedding = word_embedding(source, dim)
    if cfg.share_all_embeddings:
        if source != target:
            raise ValueError(
                "--share-all-embeddings needs one dictionary for both languages: "
                "run fairseq-preprocess with --joined-dictionary"
            )
        decoder_embedding = encoder_embedding
    else:
        decoder_embedding = word_embedding(target, dim)
    shares_output = cfg.share_all_embeddings or cfg.share_decoder_input_output_embed
    output_embedding = decoder_embedding if shares_output else word_embedding(target, dim)

    first: nn.LSTM | BidirectionalLSTM
    first = (BidirectionalLSTM if cfg.encoder_bidirectional else lstm)(dim, cells, dim)
    encoder_stack = RecurrentStack(
        [first, *(lstm(dim, cells, dim) for _ in range(cfg.encoder_layers - 1))],
        mixtures("encoder"),
        cfg.dropout,
    )
    attention = ATTENTIONS[str(cfg.attention)](dim, cfg.attention_dim)
    first_layer = FEEDS[str(cfg.attention_feed)](dim, cells, attention, cfg.dropout)
    decoder_stack = RecurrentStack(
        [lstm(dim, cells, dim) for _ in range(cfg.decoder_layers - 1)],
        # The stack begins after the first layer.
        {layer - 1: mixture for layer, mixture in mixtures("decoder").items()},
        cfg.dropout,
    )
    return cls(
        GNMTEncoder(source, encoder_embedding, encoder_stack, cfg.dropout),
        GNMTDecoder(
            target, decoder_embedding, first_layer, decoder_stack, output_embedding, cfg.dropout
        ),
    )


def word_embedding(dictionary: Any, dim: int) -> nn.Embedding:
    """Word vectors drawn from N(0, 1/dim), so that a tied softmax starts with small logits."""
    embedding = nn.Embedding(len(dictionary), dim, padding_idx=dictionary.pad())
    nn.init.normal_(embedding.weight, std=dim**-0.5)
    if not embedding.weight.is_meta:
        nn.init.zeros_(embedding.weight[dictionary.pad()])
    return embedding


def setter(values: Mapping[str, Any]) -> Callable[[Namespace], None]:
    """A function that fills in the options the user did not give."""

    def set_defaults(args: Namespace) -> None:
        for name, value in values.items():
            if not hasattr(args, name):
                setattr(args, name, value)

    return set_defaults


for name, values in ARCHITECTURES.items():
    register_model_architecture(NAME, name)(setter(values))
