"""Several models as one: the mean of their probabilities, and of their attention."""

from __future__ import annotations

import math
from collections.abc import Sequence

import torch
from torch import Tensor

from moe_nmt.models.decoder import DecoderState
from moe_nmt.models.gnmt_moe import GNMTMoEModel
from moe_nmt.modules.attention import Memory
from moe_nmt.modules.lstm import with_constant_weights
from moe_nmt.modules.repeated_product import repeated_product


class Ensemble:
    """The models at work on a batch: the source once per sentence, a state per hypothesis.

    Args:
        models: in evaluation mode, with one target vocabulary.
        src_tokens: [sentences, source], padded at the end.
        temperature: the logits are divided by it.
    """

    def __init__(
        self, models: Sequence[GNMTMoEModel], src_tokens: Tensor, temperature: float = 1.0
    ) -> None:
        self.decoders = [with_constant_weights(model.decoder) for model in models]
        self.softmax_products = [
            repeated_product(decoder.output_embedding.weight) for decoder in self.decoders
        ]
        self.temperature = temperature
        self.memories: list[Memory] = [
            model.decoder.memory(model.encoder(src_tokens)) for model in models
        ]
        self.states: list[DecoderState | None] = [None] * len(models)

    def step(self, tokens: Tensor) -> tuple[Tensor, Tensor]:
        """Reads the last token of every hypothesis.

        Args:
            tokens: [sentences, beam].

        Returns:
            log p [sentences, beam, words] of the next token, and the attention
            [sentences, beam, source] with which it was found.
        """
        log_p, attention = [], []
        for index, decoder in enumerate(self.decoders):
            output = decoder.decode(tokens.reshape(-1, 1), self.memories[index], self.states[index])
            self.states[index] = output.state
            logits = self.softmax_products[index](output.features[:, 0]).float()
            if self.temperature != 1.0:
                logits = logits / self.temperature
            log_p.append(logits.sub_(logits.logsumexp(dim=-1, keepdim=True)))  # log softmax
            attention.append(output.attention[:, 0])
        return mean_log(log_p).view(*tokens.shape, -1), mean(attention).view(*tokens.shape, -1)

    def follow(self, hypotheses: Tensor, sentences: Tensor | None) -> None:
        """Goes on with some hypotheses of the last step, of all sentences or of some.

        Args:
            hypotheses: [sentences * new beam] int64, as rows of the last step.
            sentences: [new sentences] int64; None for all of them, as they are.
        """
        self.states = [s.index_select(hypotheses) for s in self.states if s is not None]
        if sentences is not None:
            self.memories = [memory.index_select(sentences) for memory in self.memories]


def mean(values: list[Tensor]) -> Tensor:
    """The mean of tensors of one shape."""
    return values[0] if len(values) == 1 else torch.stack(values).mean(0)


def mean_log(logs: list[Tensor]) -> Tensor:
    """log of the mean of exp, of tensors of one shape."""
    if len(logs) == 1:
        return logs[0]
    return torch.logsumexp(torch.stack(logs), dim=0) - math.log(len(logs))
