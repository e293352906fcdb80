"""Attention functions: the paper's (App. G) and GNMT's additive one (Wu et al. 2016)."""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from typing import NamedTuple

import torch
from torch import Tensor, nn
from typing_extensions import override


class Memory(NamedTuple):
    """The encoded source, ready to be attended to."""

    values: Tensor  # [batch, source, dim], the encoder's output
    keys: Tensor  # [batch, source, attention_dim], what an attention made of it
    padding: Tensor  # [batch, source] bool, True where there is no token

    def index_select(self, order: Tensor) -> Memory:
        """Reorders or repeats sentences: order [new batch] int64."""
        return Memory(*(tensor.index_select(0, order) for tensor in self))


class Attention(nn.Module, ABC):
    """Weighs source positions for each target position.

    Args:
        dim: size of a source vector x_i and of a query y_j.
        attention_dim: size d of the space in which they are compared.
    """

    def __init__(self, dim: int, attention_dim: int) -> None:
        super().__init__()
        self.source_projection = nn.Linear(dim, attention_dim, bias=False)  # U
        self.query_projection = nn.Linear(dim, attention_dim, bias=False)  # W
        self.scale = nn.Parameter(torch.full((attention_dim,), 1 / math.sqrt(attention_dim)))  # V

    @abstractmethod
    def keys(self, values: Tensor) -> Tensor:
        """[batch, source, dim] -> [batch, source, attention_dim]."""

    @abstractmethod
    def scores(self, query: Tensor, keys: Tensor) -> Tensor:
        """A(x_i, y_j): [batch, target, dim], [batch, source, attention_dim] ->
        [batch, target, source]."""

    def memory(self, values: Tensor, padding: Tensor) -> Memory:
        """Prepares encoder outputs [batch, source, dim] with padding [batch, source] once."""
        return Memory(values, self.keys(values), padding)

    def forward(self, query: Tensor, memory: Memory) -> tuple[Tensor, Tensor]:
        """Weighs the source of each query and sums it up.

        Args:
            query: [batch, target, dim].
            memory: of ``batch`` sentences; or of fewer, each of them the source of as many queries
                in a row, as of the hypotheses of a beam.

        Returns:
            The context [batch, target, dim], and the weights [batch, target, source], zero on
            padding.
        """
        batch, target, dim = query.shape
        query = query.reshape(memory.values.size(0), -1, dim)  # all queries of a sentence
        scores = self.scores(query, memory.keys).float()
        # Not -inf, which would make a sentence without a word one of NaN.
        scores = scores.masked_fill(memory.padding[:, None, :], torch.finfo(scores.dtype).min)
        weights = torch.softmax(scores, dim=-1)
        context = torch.bmm(weights.to(memory.values.dtype), memory.values)
        return context.view(batch, target, -1), weights.view(batch, target, -1)


class ProductAttention(Attention):
    """A(x_i, y_j) = sum_d V_d tanh((x_i U)_d) tanh((y_j W)_d)  (App. G).

    All pairs of positions are one matrix product.
    """

    @override
    def keys(self, values: Tensor) -> Tensor:
        return torch.tanh(self.source_projection(values)) * self.scale

    @override
    def scores(self, query: Tensor, keys: Tensor) -> Tensor:
        projected = torch.tanh(self.query_projection(query))
        return torch.bmm(projected, keys.to(projected.dtype).transpose(1, 2))


class AdditiveAttention(Attention):
    """A(x_i, y_j) = sum_d V_d tanh((x_i U)_d + (y_j W)_d)  (GNMT).

    Memory grows with batch * source * target * attention_dim.
    """

    @override
    def keys(self, values: Tensor) -> Tensor:
        return self.source_projection(values)

    @override
    def scores(self, query: Tensor, keys: Tensor) -> Tensor:
        projected = self.query_projection(query)
        return torch.tanh(projected[:, :, None, :] + keys[:, None, :, :]) @ self.scale


ATTENTIONS: dict[str, type[Attention]] = {
    "product": ProductAttention,
    "additive": AdditiveAttention,
}
