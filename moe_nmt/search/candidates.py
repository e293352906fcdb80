"""The best continuations of the hypotheses of a beam."""

from __future__ import annotations

import math
from typing import NamedTuple

import torch
from torch import Tensor

# Words whose maximum stands for all of them: a maximum over words is cheap, a sort is not.
BLOCK = 64


class Candidates(NamedTuple):
    """Continuations of a sentence's hypotheses by one token, the best first."""

    total: Tensor  # [sentences, k], log P of hypothesis and token; -inf where there are no more
    slot: Tensor  # [sentences, k] int64, the hypothesis in its beam
    token: Tensor  # [sentences, k] int64
    log_p: Tensor  # [sentences, k], of the token alone

    def select(self, order: Tensor) -> Candidates:
        """Some of each sentence's candidates: order [sentences, new k] int64."""
        return Candidates(*(tensor.gather(1, order) for tensor in self))


def best_candidates(log_p: Tensor, total: Tensor, k: int, pruning: float = math.inf) -> Candidates:
    """The k best continuations of each sentence.

    The best words can only be in those blocks of words whose own best are the best.

    Args:
        log_p: [sentences, beam, words], contiguous; -inf for a word that is not allowed.
        total: [sentences, beam], log P of the hypotheses; -inf for one that is none.
        k: how many.
        pruning: words that are this much less likely than the best word after the same
            hypothesis are left out.
    """
    sentences, beam, words = log_p.shape
    whole, rest = divmod(words, BLOCK)
    best = log_p[:, :, : whole * BLOCK].view(sentences, beam, whole, BLOCK).amax(-1)
    if rest:
        best = torch.cat([best, log_p[:, :, -rest:].amax(-1, keepdim=True)], dim=-1)
    least = best.amax(-1, keepdim=True) - pruning  # [sentences, beam, 1]
    blocks = best.size(-1)
    best = (best + total[:, :, None]).masked_fill(best < least, -math.inf)

    chosen = best.flatten(1).topk(min(k, beam * blocks)).indices  # [sentences, chosen]
    slot = chosen // blocks
    first = slot * words + chosen % blocks * BLOCK  # the block's, among the words of all slots
    place = first[:, :, None] + torch.arange(BLOCK, device=log_p.device)
    exists = place < (slot * words + words)[:, :, None]  # [sentences, chosen, BLOCK]
    place = place.clamp_max(beam * words - 1)
    local = log_p.flatten(1).gather(1, place.flatten(1)).view_as(place)
    kept = exists & (local >= least[:, :, 0].gather(1, slot)[:, :, None])
    sums = torch.where(kept, local + total.gather(1, slot)[:, :, None], -math.inf).flatten(1)
    top = sums.topk(min(k, sums.size(1)))
    place, local = (tensor.flatten(1).gather(1, top.indices) for tensor in (place, local))
    return Candidates(top.values, place // words, place % words, local)
