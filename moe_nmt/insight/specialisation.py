"""What experts specialise in: the information that a choice of expert gives about a token.

The paper shows it by examples (App. E, Table 9); a number for it is the mutual information, in
bits, of an assignment's expert and a label of its token: the domain of its sentence, say, or the
word itself.  From few assignments some information comes by chance; how much, shuffled labels tell.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, NamedTuple

import torch
from torch import Tensor

from moe_nmt.insight.routed import routed


class Choices(NamedTuple):
    """The assignments of a mixture on held-out text."""

    sentence: Tensor  # [assignments] int64, its number in the data set
    word: Tensor  # [assignments] int64, the word read
    expert: Tensor  # [assignments] int64


def choices(model: Any, batches: Iterable[dict[str, Any]]) -> dict[str, Choices]:
    """Which experts a model chooses, without noise, by the name of the mixture."""
    parts: dict[str, list[Choices]] = {}
    for of_batch in routed(model, batches):
        for name, (sentence, _, read, _, routing) in of_batch.items():
            token = routing.token
            chosen = Choices(sentence[token], read[token], routing.expert)
            parts.setdefault(name, []).append(chosen)
    return {
        name: Choices(*(torch.cat(column) for column in zip(*found, strict=True)))
        for name, found in parts.items()
    }


def mutual_information(label: Tensor, expert: Tensor) -> float:
    """I(label; expert) = sum p(l, e) log2 (p(l, e) / (p(l) p(e))) of [assignments], in bits."""
    experts = int(expert.max()) + 1
    joint = torch.bincount(label * experts + expert, minlength=experts * (int(label.max()) + 1))
    p = joint.view(-1, experts).double() / expert.numel()  # [labels, experts]
    independent = p.sum(1, keepdim=True) * p.sum(0, keepdim=True)
    of_each = torch.where(p > 0, p * (p / independent).log2(), 0.0)
    return max(float(of_each.sum()), 0.0)  # but for rounding


class Information(NamedTuple):
    """Of experts about a label, in bits."""

    bits: float
    shuffled: float  # what is left where labels are dealt out anew: chance

    @classmethod
    def of(cls, labels: Tensor, place: Tensor, expert: Tensor, seed: int) -> Information:
        """Measures it.

        Args:
            labels: [units] int64, of sentences or of words.
            place: [assignments] int64, the unit of each.
            expert: [assignments] int64.
            seed: of the shuffle.
        """
        order = torch.randperm(len(labels), generator=torch.Generator().manual_seed(seed))
        return cls(
            mutual_information(labels[place], expert),
            mutual_information(labels[order][place], expert),
        )
