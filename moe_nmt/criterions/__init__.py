"""The training criterion."""

from moe_nmt.criterions.balanced_cross_entropy import BalancedCrossEntropy

__all__ = ["BalancedCrossEntropy"]
