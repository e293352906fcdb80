"""Cross entropy of a large vocabulary, estimated from a sample of its words (App. C).

The softmax's sum over all words, Z = sum_w exp(s_w), is estimated from the target and the words of
a sample, which all tokens of a batch share.  A word that is in the sample with probability q weighs
1 / q, so that the estimate of Z is right on average (Horvitz and Thompson 1952; Jean et al. 2015
for translation).  Where all words are in the sample for certain it is the softmax itself.

Words are drawn log-uniformly by their rank, P(r) = log((r + 2) / (r + 1)) / log(V + 1), which is
near their frequency where the vocabulary is sorted by it, as fairseq's dictionaries are.
"""

from __future__ import annotations

import math
from typing import NamedTuple

import torch
from torch import Tensor

from moe_nmt.modules.projected_loss import TokenLosses


class Sample(NamedTuple):
    """Different words of a vocabulary."""

    words: Tensor  # [sampled] int64, ascending
    log_q: Tensor  # [sampled] float32, of the probability that each is in the sample


def draw(vocabulary: int, draws: int, device: torch.device) -> Sample:
    """The different words among so many log-uniform draws, from torch's generator of the host."""
    spread = math.log(vocabulary + 1)
    ranks = (torch.rand(draws, dtype=torch.float64) * spread).exp().long() - 1
    words = ranks.clamp(0, vocabulary - 1).unique()
    p = ((words + 2.0).double() / (words + 1.0)).log() / spread
    log_q = torch.log(-torch.expm1(draws * torch.log1p(-p)))  # of 1 - (1 - p)^draws
    return Sample(words.to(device), log_q.float().to(device))


def sampled_cross_entropy(
    features: Tensor, weight: Tensor, target: Tensor, sample: Sample
) -> TokenLosses:
    """The estimated loss of softmax(features weight^T) against the target words.

    Args:
        features: [tokens, dim].
        weight: [words, dim], the output embedding.
        target: [tokens] int64.
        sample: of the words.

    Returns:
        The estimate, twice: nothing is smoothed.
    """
    at_target = torch.linalg.vecdot(features, weight[target]).float()  # [tokens]
    logits = (features @ weight[sample.words].t()).float() - sample.log_q  # [tokens, sampled]
    # The target is in the sum for certain: not once more by chance.
    logits = logits.masked_fill(sample.words == target[:, None], -torch.inf)
    log_z = torch.cat([at_target[:, None], logits], dim=1).logsumexp(1)
    loss = (log_z - at_target).sum()
    return TokenLosses(loss, loss.detach())
