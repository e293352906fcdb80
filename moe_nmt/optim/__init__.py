"""Optimizer and learning-rate schedule."""

from moe_nmt.optim.fused_adam import FusedAdam
from moe_nmt.optim.warmup_constant_inverse_sqrt import WarmupConstantInverseSqrt

__all__ = ["FusedAdam", "WarmupConstantInverseSqrt"]
