"""What each expert of a mixture is given: counts that grow with the vocabulary, not with the text.

The contexts with the largest gate values are Table 9 of the paper.  Preferences are pointwise
mutual information, log2 of how much oftener an expert gets a word than all tokens have it.
"""

from __future__ import annotations

import math

import torch
from torch import Tensor

from moe_nmt.insight.routed import Routed

POSITIONS = 8  # 1, 2 to 3, 4 to 7, ...: by the position's logarithm; the last is open


class Preference:
    """How often each expert is given each of some values, beside how often they occur.

    Args:
        experts: of the mixture.
        values: how many there are.
    """

    def __init__(self, experts: int, values: int) -> None:
        self.of_experts = torch.zeros(experts * values, dtype=torch.int32)
        self.of_tokens = torch.zeros(values, dtype=torch.int64)

    def add(self, values: Tensor, routed: Routed) -> None:
        """Counts the ``values`` [tokens] of a batch."""
        number = len(self.of_tokens)
        cells = routed.routing.expert * number + values[routed.routing.token]
        self.of_experts.index_add_(0, cells, torch.ones(len(cells), dtype=torch.int32))
        self.of_tokens += torch.bincount(values, minlength=number)

    def table(self) -> Tensor:
        """Counts: [experts, values]."""
        return self.of_experts.view(-1, len(self.of_tokens))

    def entropy(self) -> Tensor:
        """Of what an expert is given, in bits; 0 of one that is not used: [experts] float64."""
        p = self.table().double() / self.table().sum(1, keepdim=True).clamp_min(1)
        return torch.special.xlogy(p, p).sum(1).abs() / math.log(2)

    def information(self, expert: int, least: int) -> Tensor:
        """log2 (p(value | expert) / p(value)): [values] float64.

        It is -inf of values that the expert had fewer than ``least`` times.
        """
        counts = self.table()[expert].double()
        given = counts / counts.sum().clamp_min(1)
        of_all = self.of_tokens.double() / self.of_tokens.sum().clamp_min(1)
        return (given / of_all).log2().where(counts >= max(least, 1), -torch.inf)


class Best:
    """The tokens that each expert has the largest gate values for: G(x)_i.

    Args:
        experts: of the mixture.
        number: kept for each of them.
    """

    def __init__(self, experts: int, number: int) -> None:
        self.experts, self.number = experts, number
        self.expert = torch.empty(0, dtype=torch.int64)  # [kept]
        self.gate = torch.empty(0)  # [kept]
        self.place = torch.empty(0, 2, dtype=torch.int64)  # [kept, sentence | position]

    def add(self, routed: Routed) -> None:
        """Takes a batch in; of equal gates the ones that came first stay."""
        token = routed.routing.token
        place = torch.stack([routed.sentence, routed.position], dim=1)[token]
        expert = torch.cat([self.expert, routed.routing.expert])
        gate = torch.cat([self.gate, routed.routing.gate])
        place = torch.cat([self.place, place])
        by_gate = gate.argsort(descending=True, stable=True)
        order = by_gate[expert[by_gate].argsort(stable=True)]
        counts = torch.bincount(expert, minlength=self.experts)
        rank = torch.arange(len(order)) - (counts.cumsum(0) - counts)[expert[order]]
        kept = order[rank < self.number]
        self.expert, self.gate, self.place = expert[kept], gate[kept], place[kept]

    def of(self, expert: int) -> list[tuple[float, int, int]]:
        """Gate, sentence and position, the largest gate first."""
        mine = self.expert == expert
        return [
            (gate, sentence, position)
            for gate, (sentence, position) in zip(
                self.gate[mine].tolist(), self.place[mine].tolist(), strict=True
            )
        ]


class Preferences:
    """Of all experts of one mixture.

    Args:
        experts: how many.
        words: of the dictionary that it reads.
        predicted: of the one that it predicts; 0 in the encoder.
        contexts: kept for each expert.
    """

    def __init__(self, experts: int, words: int, predicted: int, contexts: int) -> None:
        self.tokens = 0
        self.assignments = torch.zeros(experts, dtype=torch.int64)
        self.gates = torch.zeros(experts, dtype=torch.float64)
        self.read = Preference(experts, words)
        self.predicted = Preference(experts, predicted) if predicted else None
        self.position = Preference(experts, POSITIONS)
        self.best = Best(experts, contexts)

    def use(self) -> tuple[Tensor, Tensor]:
        """Importance and load, without noise: [experts] each."""
        return self.gates, self.assignments.double()

    def add(self, routed: Routed) -> None:
        """Takes a batch in."""
        routing = routed.routing
        self.tokens += len(routed.read)
        self.assignments += routing.tokens_per_expert()
        self.gates += routing.importance.double()
        self.read.add(routed.read, routed)
        if self.predicted is not None and routed.predicted is not None:
            self.predicted.add(routed.predicted, routed)
        bins = (routed.position + 1).double().log2().long().clamp_max(POSITIONS - 1)
        self.position.add(bins, routed)
        self.best.add(routed)
