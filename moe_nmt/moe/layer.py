"""The mixture-of-experts layer (section 2): y = sum_i G(x)_i * E_i(x)."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from moe_nmt.moe.dispatch import combine, dispatch
from moe_nmt.moe.experts import Experts
from moe_nmt.moe.gate import Gate
from moe_nmt.moe.routing import Routing
from moe_nmt.moe.workers import Workers


class MixtureOfExperts(nn.Module):
    """Sends each token through the experts its gate chooses and adds up their weighted outputs.

    Args:
        gate: chooses among all experts.
        experts: those that live on this worker.
        workers: who trains the layer; by default this one worker.
    """

    def __init__(self, gate: Gate, experts: Experts, workers: Workers | None = None) -> None:
        super().__init__()
        if gate.num_experts != experts.num_experts:
            raise ValueError(
                f"the gate chooses among {gate.num_experts} experts, "
                f"but there are {experts.num_experts}"
            )
        self.gate = gate
        self.experts = experts
        self.workers = Workers() if workers is None else workers
        for part in gate.modules():
            if isinstance(part, Gate):
                part.workers = self.workers

    def forward(self, x: Tensor) -> tuple[Tensor, Routing]:
        """[..., dim] -> [..., the experts' output_dim], and the routing, for losses and statistics.

        All but the last dimension count tokens; the routing numbers them as in
        ``x.flatten(0, -2)``.  Leave padding out: whatever is in ``x`` is routed and counted.

        Raises:
            ValueError: ``x`` holds no tokens of the gate's size.
            RuntimeError: ``x`` has no values, or torch.jit is to trace the layer.
        """
        self.check(x)
        tokens = x.reshape(-1, self.gate.dim)
        routing = self.gate(tokens)
        dispatched = dispatch(tokens, routing)
        output = self.workers.apply(
            self.experts, self.experts.shard, dispatched.x, dispatched.tokens_per_expert
        )
        y = combine(output, dispatched.position, routing, tokens.size(0))
        return y.view(*x.shape[:-1], y.size(-1)), routing

    def check(self, x: Tensor) -> None:
        """Stops where ``x`` is no [..., dim] of numbers to route by."""
        if x.dim() == 0 or x.size(-1) != self.gate.dim:
            raise ValueError(
                f"the mixture of experts takes tokens of size {self.gate.dim}, [..., "
                f"{self.gate.dim}], not a tensor {list(x.shape)}"
            )
        if not x.is_floating_point() or x.layout != torch.strided:
            raise ValueError(
                "the mixture of experts takes dense floating-point tokens, not "
                f"{x.dtype} in the layout {x.layout}"
            )
        if x.is_meta or torch.jit.is_tracing():
            raise RuntimeError(
                "a mixture of experts chooses by values: it runs neither on the meta device nor in "
                "torch.jit.trace"
            )
