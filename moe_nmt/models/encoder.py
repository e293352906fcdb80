"""The encoder: embedded source words through a recurrent stack."""

from __future__ import annotations

from typing import Any, TypedDict

import torch
from fairseq.models import FairseqEncoder
from torch import Tensor, nn

from moe_nmt.errors import UserError
from moe_nmt.modules.dropout import Dropout
from moe_nmt.modules.stack import RecurrentStack
from moe_nmt.moe.routing import Routing

PADDED_AT_THE_BEGINNING = (
    "source sentences must be padded at the end: use --task expert_parallel_translation, or with "
    "another task --left-pad-source, which turns fairseq's left padding off"
)


class EncoderOutput(TypedDict):
    """What the decoder gets to see."""

    values: Tensor  # [batch, source, dim]
    padding: Tensor  # [batch, source] bool, True on padding
    routings: dict[str, Routing]  # of each mixture, by its name


class GNMTEncoder(FairseqEncoder):
    """Encodes padded sentences.

    Args:
        dictionary: the source dictionary.
        embedding: of its words.
        stack: applied to the embedded words.
        dropout: on the embeddings.
    """

    def __init__(
        self, dictionary: Any, embedding: nn.Embedding, stack: RecurrentStack, dropout: float
    ) -> None:
        super().__init__(dictionary)
        self.padding_idx: int = dictionary.pad()
        self.embedding = embedding
        self.dropout = Dropout(dropout)
        self.stack = stack

    def forward(
        self,
        src_tokens: Tensor,
        src_lengths: Tensor | None = None,
        source_words: int | None = None,
    ) -> EncoderOutput:
        """Encodes sentences.

        Args:
            src_tokens: [batch, source], padded at the end.
            src_lengths: not needed; fairseq passes it.
            source_words: how many tokens are no padding, as ``count_words`` says.
        """
        padding = src_tokens.eq(self.padding_idx)
        if source_words is None:
            refuse_left_padding(padding)
        x = self.dropout(self.embedding(src_tokens)).transpose(0, 1)
        output = self.stack(x, ~padding.t(), count=source_words)
        return EncoderOutput(
            values=output.x.transpose(0, 1), padding=padding, routings=output.routings
        )

    def reorder_encoder_out(self, encoder_out: EncoderOutput, new_order: Tensor) -> EncoderOutput:
        """Reorders or repeats sentences: new_order [new batch] int64."""
        return EncoderOutput(
            values=encoder_out["values"].index_select(0, new_order),
            padding=encoder_out["padding"].index_select(0, new_order),
            routings=encoder_out["routings"],
        )

    def max_positions(self) -> int:
        """A recurrent encoder has no limit of its own."""
        return int(torch.iinfo(torch.int32).max)


def refuse_left_padding(padding: Tensor) -> None:
    """Stops where sentences are not padded at the end: [batch, source] bool."""
    if bool(padding[:, 0].any()) and padding.size(1) > 1:
        raise UserError(PADDED_AT_THE_BEGINNING)
