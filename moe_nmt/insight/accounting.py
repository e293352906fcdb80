"""What a model costs, as the paper counts it."""

from __future__ import annotations

from typing import Any

from fairseq.models import FairseqLanguageModel

from moe_nmt.errors import UserError
from moe_nmt.insight.counts import layer_operations, operations, parameters, parameters_of_layers
from moe_nmt.moe.hierarchical import HierarchicalGate
from moe_nmt.moe.layer import MixtureOfExperts


def accounting(model: Any, workers: int) -> dict[str, Any]:
    """What a model costs, as the paper counts it.

    Args:
        model: on any device.
        workers: that share one copy of the experts.

    Returns:
        ``ops_per_timestep``, multiply-adds: with the softmax of translation models, as in Tables 2
        to 5, without that of language models, as in Tables 7 and 8; ``operations`` by kind, the
        softmax among them; ``parameters``, ``parameters_without_embedding_and_softmax``, and
        ``parameters_per_worker``, of the one that has most.
    """
    count = operations(model)
    is_language_model = isinstance(model, FairseqLanguageModel)
    return {
        "ops_per_timestep": (layer_operations(model) if is_language_model else count).total(),
        "operations": dict(count),
        "parameters": parameters(model).total(),
        "parameters_without_embedding_and_softmax": parameters_of_layers(model),
        "parameters_per_worker": parameters_per_worker(model, workers),
    }


def parameters_per_worker(model: Any, workers: int) -> int:
    """Of the worker that has most of the experts, and all else.

    Raises:
        UserError: a mixture cannot be divided among so many.
    """
    count = parameters(model)
    experts_here = 0
    for mixture in model.modules():
        if isinstance(mixture, MixtureOfExperts):
            gate = mixture.gate
            together = gate.secondary.experts if isinstance(gate, HierarchicalGate) else 1
            parts = gate.num_experts // together
            if workers > parts:
                raise UserError(
                    f"--workers {workers}: a mixture of {gate.num_experts} experts in {parts} "
                    f"parts that stay together is shared by at most {parts} workers"
                )
            of_one = sum(weight[0].numel() for weight in mixture.experts.weights())
            experts_here += -(-parts // workers) * together * of_one
    return count.total() - count["experts"] + experts_here
