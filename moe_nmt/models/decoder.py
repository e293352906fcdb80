"""The decoder: an attentive LSTM, then a recurrent stack, then the softmax's projection."""

from __future__ import annotations

from typing import Any, NamedTuple

from torch import Tensor, nn

from moe_nmt.models.encoder import EncoderOutput
from moe_nmt.models.recurrent_decoder import RecurrentDecoder
from moe_nmt.modules.attention import Memory
from moe_nmt.modules.attentive_lstm import AttentiveLSTM, AttentiveState
from moe_nmt.modules.dropout import Dropout
from moe_nmt.modules.lstm import LSTMState
from moe_nmt.modules.stack import RecurrentStack
from moe_nmt.moe.routing import Routing


class DecoderState(NamedTuple):
    """What a hypothesis carries from one step to the next."""

    attentive: AttentiveState
    stack: list[LSTMState]

    def index_select(self, order: Tensor) -> DecoderState:
        """Reorders or repeats hypotheses: order [new batch] int64."""
        return DecoderState(
            self.attentive.index_select(order),
            [state.index_select(order) for state in self.stack],
        )


class DecoderOutput(NamedTuple):
    """What the decoder computes before the softmax."""

    features: Tensor  # [batch, target, dim]
    attention: Tensor  # [batch, target, source]
    state: DecoderState
    routings: dict[str, Routing]  # of each mixture, by its name


class GNMTDecoder(RecurrentDecoder):
    """Predicts the next target word at every position.

    Args:
        dictionary: the target dictionary.
        embedding: of the words read.
        first_layer: the LSTM that drives the attention.
        stack: the layers after it.
        output_embedding: of the words predicted; may be ``embedding`` itself.
        dropout: on the embeddings.
    """

    def __init__(
        self,
        dictionary: Any,
        embedding: nn.Embedding,
        first_layer: AttentiveLSTM,
        stack: RecurrentStack,
        output_embedding: nn.Embedding,
        dropout: float,
    ) -> None:
        super().__init__(dictionary, embedding, output_embedding)
        self.dropout = Dropout(dropout)
        self.first_layer = first_layer
        self.stack = stack

    def forward(
        self,
        prev_output_tokens: Tensor,
        encoder_out: EncoderOutput,
        incremental_state: dict[str, Any] | None = None,
        features_only: bool = False,
        src_lengths: Tensor | None = None,
        target_words: int | None = None,
    ) -> tuple[Tensor, dict[str, Any]]:
        """Decodes whole sequences, or with incremental state the last word alone.

        Args:
            prev_output_tokens: [batch, target], padded at the end.
            encoder_out: the encoder's output for the same sentences.
            incremental_state: where the state between steps is kept.
            features_only: leave out the projection to the vocabulary.
            src_lengths: not needed; fairseq passes it.
            target_words: how many of whole sequences' tokens are no padding, if it is known.

        Returns:
            [batch, target, words], or [batch, target, dim] features; and ``attn``, a list of one
            [batch, target, source], and ``routings`` by name, such as encoder_2 and decoder_1.
        """
        last: tuple[Memory, DecoderState] | None = self.get_state(incremental_state)
        if last is None:
            memory, state = self.memory(encoder_out), None
        else:
            memory, state = last
        if incremental_state is not None:
            prev_output_tokens = prev_output_tokens[:, -1:]
        output = self.decode(prev_output_tokens, memory, state, target_words)
        if incremental_state is not None:
            self.set_state(incremental_state, (memory, output.state))

        routings = {**encoder_out["routings"], **output.routings}
        extra = {"attn": [output.attention], "routings": routings}
        return output.features if features_only else self.output_layer(output.features), extra

    def memory(self, encoder_out: EncoderOutput) -> Memory:
        """The source, its keys computed once."""
        return self.first_layer.attention.memory(encoder_out["values"], encoder_out["padding"])

    def decode(
        self,
        tokens: Tensor,
        memory: Memory,
        state: DecoderState | None,
        words: int | None = None,
    ) -> DecoderOutput:
        """Reads words and attends to the source.

        Args:
            tokens: [batch, target], padded at the end.
            memory: of ``batch`` sentences; or of fewer, each with as many hypotheses in a row.
            state: after the words before ``tokens``; None at the beginning.
            words: how many of the tokens are no padding, if it is known.
        """
        is_token = tokens.ne(self.padding_idx).t()  # [target, batch]
        x = self.dropout(self.embedding(tokens)).transpose(0, 1)
        first = self.first_layer(x, memory, None if state is None else state.attentive)
        rest = self.stack(first.x, is_token, None if state is None else state.stack, words)
        return DecoderOutput(
            features=rest.x.transpose(0, 1),
            attention=first.attention,
            state=DecoderState(first.state, rest.states),
            routings=rest.routings,
        )
