"""The encoder: embedded source words through a recurrent stack."""

from __future__ import annotations

from typing import Any, TypedDict

import torch
from fairseq.models import FairseqEncoder
from torch import Tensor, nn

from moe_nmt.modules.dropout import Dropout
from moe_nmt.modules.stack import RecurrentStack
from moe_nmt.moe.routing import Routing


class EncoderOutput(TypedDict):
    """What the decoder gets to see."""

    values: Tensor  # [batch, source, dim]
    padding: Tensor  # [batch, source] bool, True on padding
    routings: dict[int, Routing]  # of each mixture, by its position


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

    def forward(self, src_tokens: Tensor, src_lengths: Tensor | None = None) -> EncoderOutput:
        """Encodes src_tokens [batch, source], padded at the end; the lengths follow from it."""
        padding = src_tokens.eq(self.padding_idx)
        if bool(padding[:, 0].any()) and src_tokens.size(1) > 1:
            raise SystemExit(
                "moe_nmt: source sentences must be padded at the end: use --task "
                "expert_parallel_translation, or --left-pad-source False with another task"
            )
        x = self.dropout(self.embedding(src_tokens)).transpose(0, 1)
        output = self.stack(x, ~padding.t())
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
