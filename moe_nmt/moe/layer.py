"""The mixture-of-experts layer (section 2): y = sum_i G(x)_i * E_i(x)."""

from __future__ import annotations

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
        """[tokens, dim] -> [tokens, dim], and the routing, for losses and statistics.

        Leave padding out: whatever is in ``x`` is routed and counted.
        """
        routing = self.gate(x)
        dispatched = dispatch(x, routing)
        output = self.workers.apply(
            self.experts, self.experts.shard, dispatched.x, dispatched.tokens_per_expert
        )
        return combine(output, dispatched.position, routing, x.size(0)), routing
