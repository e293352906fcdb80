"""Strictly balanced gating (App. F): in training every expert receives equally many tokens."""

from __future__ import annotations

import logging

import torch
from torch import Tensor, nn
from typing_extensions import override

from moe_nmt.moe.gate import Gate, GateProjection
from moe_nmt.moe.routing import Routing, count, sum_by_expert, where_true

USUAL_MOST = 4  # times k
logger = logging.getLogger(__name__)


class StrictlyBalancedGate(Gate):
    """p = softmax(x Wg), kept where a mask is set, and renormalised over the kept experts.

    Training: the batchwise mask keeps, for each expert, the m = k |X| / n tokens with the largest
    p; m is rounded to the nearest whole number, halves up, and is at least 1.  Evaluation: token x
    uses expert i iff p_i > T_i.  The thresholds T are learned by the loss

        sum over tokens j, experts i of (1[p_ji > T_i] - batchwise_ji) * (p_ji - T_i),

    given as a mean over tokens.  Its gradient reaches T alone.

    Thresholds that are not learned yet let a token into half of all experts.  So in evaluation,
    which is where App. F is not followed to the letter, a token keeps at most ``most`` of the
    experts that its p exceeds the thresholds of: those with the largest p, of equal ones the first.

    The batch is that of all workers: each of them ranks the tokens of all for its share of experts.
    """

    def __init__(
        self, dim: int, experts: int, k: int, groups: int = 1, most: int | None = None
    ) -> None:
        super().__init__(dim, experts, k, groups)
        self.most = USUAL_MOST * k if most is None else most
        if self.most < k:
            raise ValueError(f"a token cannot keep fewer experts in evaluation, {most}, than k {k}")
        self.has_told = False  # of tokens that exceeded it
        self.projection = GateProjection(dim, experts, groups)
        # With Wg = 0 every p is 1/n: start there.
        self.threshold = nn.Parameter(torch.full((groups, experts), 1.0 / experts))

    @override
    def route(self, x: Tensor, group_sizes: Tensor) -> Routing:
        tokens = x.size(0)
        group = self.group_of_token(group_sizes, tokens)  # [tokens]
        logits = self.projection(x, group_sizes)  # [tokens, experts]
        p = torch.softmax(logits, dim=-1)
        threshold = self.threshold.float()[group]  # [tokens, experts]
        within_threshold = p > threshold
        auxiliary_loss = p.new_zeros(())
        if self.training:
            groups = self.workers.gather(group)
            mask = self.workers.by_column(lambda p: self.batchwise_mask(p, groups), p.detach())
            excess = within_threshold.to(p.dtype) - mask.to(p.dtype)
            auxiliary_loss = (excess * (p.detach() - threshold)).sum()
        else:
            mask = self.bounded(within_threshold, p)

        # p renormalised over the kept experts, also where it is too small for a float32.
        lowest = torch.finfo(p.dtype).min
        gates = torch.softmax(logits.masked_fill(~mask, lowest), dim=-1)  # [tokens, experts]
        kept = where_true(mask, self.assignments(tokens))  # [assignments], ordered by token
        token, choice = kept // self.experts, kept % self.experts
        expert = self.global_expert(choice, group[token])
        gate = gates[token, choice]
        return Routing(
            token=token,
            expert=expert,
            gate=gate,
            importance=sum_by_expert(gate, expert, self.num_experts),
            load=count(expert, self.num_experts).to(gate.dtype),
            auxiliary_loss=auxiliary_loss,
        )

    def bounded(self, mask: Tensor, p: Tensor) -> Tensor:
        """Leaves each token the ``most`` experts with the largest p: [tokens, experts] bool."""
        if self.most >= self.experts:
            return mask
        crowded = where_true(mask.sum(dim=1) > self.most)  # [crowded] tokens
        if len(crowded) == 0:
            return mask
        if not self.has_told:
            self.has_told = True
            logger.warning(
                "moe_nmt: a strictly balanced gate lets tokens into more than %d of %d experts: "
                "they keep the best %d; are the thresholds learned?",
                *(self.most, self.experts, self.most),
            )
        of_crowded = p[crowded].masked_fill(~mask[crowded], -1)
        best = of_crowded.argsort(dim=1, descending=True, stable=True)[:, : self.most]
        kept = torch.zeros_like(mask[crowded]).scatter_(1, best, value=True)
        return mask.index_copy(0, crowded, kept)

    def batchwise_mask(self, p: Tensor, group: Tensor) -> Tensor:
        """Marks, for each expert, its m tokens with the largest p.

        Ties go to the earlier token.

        Args:
            p: [tokens, experts], any number of the experts of each group.
            group: [tokens] int64, the group of each token, in any order.

        Returns:
            [tokens, experts] bool.
        """
        tokens = p.size(0)
        group_sizes = count(group, self.groups)
        if self.groups == 1:
            return largest_of_columns(p, self.share(tokens))
        order = p.argsort(dim=0, descending=True, stable=True)  # [tokens, experts]
        # per expert: group by group, p descending
        order = order.gather(0, group[order].argsort(dim=0, stable=True))
        start = group_sizes.cumsum(0) - group_sizes  # [groups]
        # Where each token of that order stands within its group.
        group_in_order = self.group_of_token(group_sizes, tokens)
        position = torch.arange(tokens, device=p.device) - start[group_in_order]
        rank = torch.empty_like(order).scatter_(0, order, position[:, None].expand_as(order))
        share = (2 * self.k * group_sizes + self.experts) // (2 * self.experts)  # m, [groups]
        return rank < share.clamp_min(1)[group][:, None]

    def assignments(self, tokens: int) -> int | None:
        """How many the mask keeps, as far as that is known without asking the device."""
        if not self.training or self.groups > 1 or self.workers.world > 1:
            return None
        return self.share(tokens) * self.experts

    def share(self, tokens: int) -> int:
        """m of a group of so many tokens, of which there may be fewer."""
        share = (2 * self.k * tokens + self.experts) // (2 * self.experts)
        return min(max(share, 1), tokens)


def largest_of_columns(values: Tensor, number: int) -> Tensor:
    """Marks the ``number`` largest values of each column, of equal ones the first.

    Args:
        values: [rows, columns]; NaN counts as the largest.
        number: at most ``rows``.

    Returns:
        [rows, columns] bool.
    """
    if number == 0:
        return torch.zeros_like(values, dtype=torch.bool)
    rows = values.nan_to_num(nan=torch.inf).t().contiguous()  # [columns, rows]
    least = rows.topk(number, dim=1, sorted=False).values.amin(dim=1, keepdim=True)
    above, equal = rows > least, rows == least
    room = number - above.sum(dim=1, keepdim=True, dtype=torch.int32)
    return (above | (equal & (equal.cumsum(dim=1, dtype=torch.int32) <= room))).t()
