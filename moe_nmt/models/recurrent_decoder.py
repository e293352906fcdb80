"""What decoders share: the softmax's projection, and the state between two steps of a search."""

from __future__ import annotations

from typing import Any

import torch
from fairseq import utils
from fairseq.models import FairseqIncrementalDecoder
from fairseq.modules import AdaptiveSoftmax
from torch import Tensor, nn
from torch.nn import functional as F

STATE = "decoder_state"


class RecurrentDecoder(FairseqIncrementalDecoder):
    """Predicts the next word at every position.

    fairseq computes probabilities by its ``adaptive_softmax`` where there is one.  In a search,
    what it keeps between two steps is a tuple of parts with ``index_select``.

    Args:
        dictionary: of the words predicted.
        embedding: of the words read.
        output_embedding: of the words predicted, may be ``embedding`` itself; or instead of it an
            adaptive softmax.
    """

    def __init__(
        self,
        dictionary: Any,
        embedding: nn.Embedding,
        output_embedding: nn.Embedding | AdaptiveSoftmax,
    ) -> None:
        super().__init__(dictionary)
        self.padding_idx: int = dictionary.pad()
        self.embedding = embedding
        self.output_embedding: nn.Embedding | None = None
        self.adaptive_softmax: AdaptiveSoftmax | None = None
        if isinstance(output_embedding, AdaptiveSoftmax):
            self.adaptive_softmax = output_embedding
        else:
            self.output_embedding = output_embedding

    def output_layer(self, features: Tensor) -> Tensor:
        """[..., dim] -> logits [..., words]; the features themselves for an adaptive softmax."""
        if self.output_embedding is None:
            return features
        return F.linear(features, self.output_embedding.weight)

    def get_state(self, incremental_state: dict[str, Any] | None) -> Any:
        """What fairseq's own searches carry along; None at the beginning."""
        if incremental_state is None:
            return None
        return utils.get_incremental_state(self, incremental_state, STATE)

    def set_state(self, incremental_state: dict[str, Any], state: Any) -> None:
        """Keeps it for the next step."""
        utils.set_incremental_state(self, incremental_state, STATE, state)

    def reorder_incremental_state(
        self, incremental_state: dict[str, Any], new_order: Tensor
    ) -> None:
        """Lets the state follow its hypotheses: new_order [new batch] int64."""
        state = self.get_state(incremental_state)
        if state is not None:
            reordered = tuple(part.index_select(new_order) for part in state)
            self.set_state(incremental_state, reordered)

    def max_positions(self) -> int:
        """A recurrent decoder has no limit of its own."""
        return int(torch.iinfo(torch.int32).max)
