"""Parameters and operations of a model, counted as the paper counts them.

"ops/timestep" are the multiply-adds of a forward pass per time step: one source word through the
encoder and one target word through the decoder.  Embedding look-ups, biases and the attention's
weighing of positions (it grows with the sentence) are left out.
"""

from __future__ import annotations

from collections import Counter
from typing import Any

from fairseq.modules import AdaptiveSoftmax
from torch import nn

from moe_nmt.modules.attention import Attention
from moe_nmt.modules.attentive_lstm import OutputFedLSTM
from moe_nmt.modules.mixture_lstm import MixtureLSTM
from moe_nmt.moe.gate import Gate, GateProjection
from moe_nmt.moe.hierarchical import HierarchicalGate
from moe_nmt.moe.layer import MixtureOfExperts
from moe_nmt.moe.workers import shard_of


def operations(model: Any) -> Counter[str]:
    """Multiply-adds per time step of a model, by kind of layer."""
    counts = layer_operations(model)
    softmax = model.decoder.adaptive_softmax or model.decoder.output_embedding
    # of an adaptive one, a word of each group
    counts["softmax"] += sum(weight.numel() for weight in softmax.parameters())
    return counts


def layer_operations(part: nn.Module) -> Counter[str]:
    """Multiply-adds per time step of a model or a part of it, without the softmax."""
    counts: Counter[str] = Counter()
    for module in part.modules():
        if isinstance(module, nn.LSTM):
            counts["LSTM"] += lstm_operations(module)
        elif isinstance(module, MixtureLSTM):  # besides its mixture
            counts["LSTM"] += 0 if module.projection is None else module.projection.numel()
        elif isinstance(module, MixtureOfExperts):
            # of a strictly balanced gate, k is the average
            weights = module.experts.weights()
            counts["experts"] += module.gate.k * sum(weight[0].numel() for weight in weights)
            counts["gates"] += gate_operations(module.gate)
        elif isinstance(module, Attention):
            counts["attention"] += module.source_projection.weight.numel()
            counts["attention"] += module.query_projection.weight.numel()
        elif isinstance(module, OutputFedLSTM):
            counts["attention"] += module.context_projection.weight.numel()
    return counts


def lstm_operations(lstm: nn.LSTM) -> int:
    """4 (i + p) c, plus c p if projected: i inputs, c cells, p outputs."""
    outputs = lstm.proj_size or lstm.hidden_size
    count = 4 * (lstm.input_size + outputs) * lstm.hidden_size
    return count + lstm.hidden_size * lstm.proj_size


def gate_operations(gate: Gate) -> int:
    """d n per projection; hierarchical: the primary gate and one secondary per chosen group."""
    if isinstance(gate, HierarchicalGate):
        return gate_operations(gate.primary) + gate.primary.k * gate_operations(gate.secondary)
    projections = [m for m in gate.modules() if isinstance(m, GateProjection)]
    return len(projections) * gate.dim * gate.experts


def parameters(model: nn.Module) -> Counter[str]:
    """Parameters of a model, by kind; shared ones count once."""
    embeddings = {m.weight for m in model.modules() if isinstance(m, nn.Embedding)}
    for module in model.modules():
        if isinstance(module, AdaptiveSoftmax):
            embeddings.update(module.parameters())
    experts = {p for p in model.parameters() if shard_of(p) is not None}
    total = sum(p.numel() for p in model.parameters())
    counts = Counter(
        embeddings=sum(p.numel() for p in embeddings), experts=sum(p.numel() for p in experts)
    )
    counts["other"] = total - counts.total()
    return counts


def parameters_of_layers(model: nn.Module) -> int:
    """Parameters as Tables 7 and 8 count them: without embedding and softmax.

    torch's LSTMs add two biases to the same sum: they count as one.
    """
    counts = parameters(model)
    second = sum(4 * m.hidden_size for m in model.modules() if isinstance(m, nn.LSTM))
    return counts.total() - counts["embeddings"] - second
