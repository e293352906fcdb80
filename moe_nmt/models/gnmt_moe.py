"""The paper's translation model: GNMT cut down, with mixtures of experts (section 5.3, App. E)."""

from __future__ import annotations

from typing import Any

from fairseq.models import FairseqEncoderDecoderModel, register_model
from torch import Tensor, nn

from moe_nmt.errors import UserError
from moe_nmt.models.architectures import TRANSLATION_MODELS
from moe_nmt.models.assembly import named_mixtures, register_architectures, word_embedding
from moe_nmt.models.config import GNMTMoEConfig, completed, validate
from moe_nmt.models.decoder import GNMTDecoder
from moe_nmt.models.encoder import GNMTEncoder, refuse_left_padding
from moe_nmt.models.hub import Hub, from_pretrained
from moe_nmt.models.recurrent_model import RecurrentModel
from moe_nmt.modules.attention import ATTENTIONS
from moe_nmt.modules.attentive_lstm import FEEDS
from moe_nmt.modules.lstm import BidirectionalLSTM, lstm
from moe_nmt.modules.stack import RecurrentStack
from moe_nmt.moe.workers import Workers

NAME = "gnmt_moe"


@register_model(NAME, dataclass=GNMTMoEConfig)
class GNMTMoEModel(RecurrentModel, FairseqEncoderDecoderModel):
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
            return build_model(cls, completed(GNMTMoEConfig, cfg), *words, workers)
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
        """A batch with the numbers of its words; see ``RecurrentModel``."""
        source, target = net_input["src_tokens"], net_input["prev_output_tokens"]
        padding = source.eq(self.encoder.padding_idx)
        refuse_left_padding(padding)
        return {
            **net_input,
            "source_words": padding.numel() - int(padding.sum()),
            "target_words": int(target.ne(self.decoder.padding_idx).sum()),
        }


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
        named_mixtures(cfg, "encoder", cfg.encoder_layers, "encoder_moe_after", workers),
        cfg.dropout,
    )
    attention = ATTENTIONS[str(cfg.attention)](dim, cfg.attention_dim)
    first_layer = FEEDS[str(cfg.attention_feed)](dim, cells, attention, cfg.dropout)
    after = named_mixtures(cfg, "decoder", cfg.decoder_layers, "decoder_moe_after", workers)
    decoder_stack = RecurrentStack(
        [lstm(dim, cells, dim) for _ in range(cfg.decoder_layers - 1)],
        # The stack begins after the first layer.
        {layer - 1: mixture for layer, mixture in after.items()},
        cfg.dropout,
    )
    return cls(
        GNMTEncoder(source, encoder_embedding, encoder_stack, cfg.dropout),
        GNMTDecoder(
            target, decoder_embedding, first_layer, decoder_stack, output_embedding, cfg.dropout
        ),
    )


register_architectures(NAME, TRANSLATION_MODELS)
