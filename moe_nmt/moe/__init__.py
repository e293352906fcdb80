"""The sparsely-gated mixture-of-experts layer in plain torch.

    x [tokens, dim] -> gate -> routing -> dispatch -> experts -> combine -> y [tokens, dim]

Each step is a file: ``gate.py`` and one file per kind of gate, ``routing.py``, ``dispatch.py``,
``experts.py``, ``layer.py``; the losses are in ``balance.py``.
"""

from moe_nmt.moe.balance import (
    BalanceFigures,
    balance_figures,
    importance_loss,
    load_loss,
    squared_cv,
)
from moe_nmt.moe.build import GATES, build_gate, build_mixture_of_experts
from moe_nmt.moe.experts import Experts
from moe_nmt.moe.gate import Gate
from moe_nmt.moe.hierarchical import HierarchicalGate
from moe_nmt.moe.layer import MixtureOfExperts
from moe_nmt.moe.noisy_top_k import NoisyTopKGate
from moe_nmt.moe.routing import Routing
from moe_nmt.moe.softmax_gate import SoftmaxGate
from moe_nmt.moe.strictly_balanced import StrictlyBalancedGate

__all__ = [
    "GATES",
    "BalanceFigures",
    "Experts",
    "Gate",
    "HierarchicalGate",
    "MixtureOfExperts",
    "NoisyTopKGate",
    "Routing",
    "SoftmaxGate",
    "StrictlyBalancedGate",
    "balance_figures",
    "build_gate",
    "build_mixture_of_experts",
    "importance_loss",
    "load_loss",
    "squared_cv",
]
