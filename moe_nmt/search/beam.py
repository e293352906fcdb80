"""The unfinished hypotheses of a batch."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace

import torch
from torch import Tensor

from moe_nmt.search.candidates import Candidates


@dataclass(frozen=True)
class Beam:
    """As many places for each sentence as the fullest beam needs; sentences that are done leave.

    A place without a hypothesis has the total -inf and the token pad.
    """

    sentence: Tensor  # [sentences] int64, their places in the whole batch
    padding: Tensor  # [sentences, source] bool, True where there is no token
    limit: Tensor  # [sentences, 1] int64, the greatest length without the end of sentence
    least_limit: int  # of all sentences at the beginning
    prefix: Tensor  # [sentences, prefix] int64, how translations have to begin; pad: as they like
    best: Tensor  # [sentences, n], the n best scores of finished hypotheses; -inf for no more
    token: Tensor  # [sentences, beam] int64, the last
    total: Tensor  # [sentences, beam], log P, less what unknown words cost
    coverage: Tensor  # [sentences, beam, source], the attention summed over the target

    @classmethod
    def start(cls, padding: Tensor, limit: Tensor, prefix: Tensor, first: int, nbest: int) -> Beam:
        """One empty hypothesis for each sentence, after whose ``first`` token the words begin."""
        sentences, source = padding.shape
        total = torch.zeros(sentences, 1, device=padding.device)
        return cls(
            sentence=torch.arange(sentences, device=padding.device),
            padding=padding,
            limit=limit[:, None],
            least_limit=int(limit.min()),
            prefix=prefix,
            best=total.new_full((sentences, nbest), -math.inf),
            token=torch.full_like(total, first, dtype=torch.int64),
            total=total,
            coverage=total.new_zeros(sentences, 1, source),
        )

    def row(self, slot: Tensor) -> Tensor:
        """Numbers hypotheses over all sentences: slot [sentences, any] int64 -> the same shape."""
        sentences, beam = self.token.shape
        return torch.arange(sentences, device=slot.device)[:, None] * beam + slot

    def advance(self, chosen: Candidates, row: Tensor, stay: Tensor | None, pad: int) -> Beam:
        """The beam after one more token.

        Args:
            chosen: [new sentences, new beam] each.
            row: [new sentences, new beam] int64, the hypotheses that go on.
            stay: [new sentences] int64, the sentences that go on; None for all.
            pad: the token of a place without a hypothesis.
        """
        beam = self
        if stay is not None:
            beam = replace(
                self,
                sentence=self.sentence[stay],
                padding=self.padding[stay],
                limit=self.limit[stay],
                prefix=self.prefix[stay],
                best=self.best[stay],
            )
        return replace(
            beam,
            token=chosen.token.masked_fill(chosen.total.eq(-math.inf), pad),
            total=chosen.total,
            coverage=self.coverage.flatten(0, 1)[row],
        )
