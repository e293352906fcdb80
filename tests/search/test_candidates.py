"""The best continuations against a sort of all of them."""

import math

import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from moe_nmt.search.candidates import BLOCK, Candidates, best_candidates


def all_of(log_p: Tensor, total: Tensor, pruning: float) -> list[list[tuple[float, int, int]]]:
    """Every continuation of each sentence, the best first."""
    found = []
    for words, sums in zip(log_p.tolist(), total.tolist(), strict=True):
        continuations = [
            (before + p, slot, word)
            for slot, (row, before) in enumerate(zip(words, sums, strict=True))
            for word, p in enumerate(row)
            if p > -math.inf and before > -math.inf and p >= max(row) - pruning
        ]
        found.append(sorted(continuations, reverse=True))
    return found


@given(
    seed=st.integers(0, 10**6),
    beam=st.integers(1, 4),
    words=st.sampled_from([3, BLOCK - 1, BLOCK, BLOCK + 1, 2 * BLOCK, 3 * BLOCK + 5]),
    k=st.integers(1, 12),
    pruning=st.sampled_from([0.0, 0.5, 3.0, math.inf]),
    spread=st.sampled_from([0.1, 5.0]),
    dead=st.integers(0, 3),
)
@settings(deadline=None)
def test_they_are_the_best_of_all(
    seed: int, beam: int, words: int, k: int, pruning: float, spread: float, dead: int
) -> None:
    generator = torch.Generator().manual_seed(seed)
    logits = torch.randn(2, beam, words, generator=generator) * spread
    logits[:, :, 1] = -math.inf  # a word that is not allowed
    log_p = logits.log_softmax(-1)
    total = -torch.rand(2, beam, generator=generator) * spread
    total[:, beam - min(dead, beam - 1) :] = -math.inf
    candidates = best_candidates(log_p, total, k, pruning)
    for sentence, expected in enumerate(all_of(log_p, total, pruning)):
        best = Candidates(*(tensor[sentence] for tensor in candidates))
        count = int(best.total.gt(-math.inf).sum())
        assert count == min(k, len(expected))
        for rank, (sums, slot, word) in enumerate(expected[:count]):
            assert abs(float(best.total[rank]) - sums) < 1e-5
            assert (int(best.slot[rank]), int(best.token[rank])) == (slot, word)
            assert float(best.log_p[rank]) == float(log_p[sentence, slot, word])
