"""Slow references of the recurrent modules: one sentence, one step, one pair at a time."""

import torch


def double_weights(module):
    """A module's parameters by name: leaves in float64."""
    return {
        name: parameter.detach().double().requires_grad_()
        for name, parameter in module.named_parameters()
    }


def lstm_step(x, hidden, cell, weights, prefix=""):
    """One step of one sentence, x [features], in the formulas of torch.nn.LSTM."""
    gates = weights[f"{prefix}weight_ih_l0"] @ x + weights[f"{prefix}bias_ih_l0"]
    gates = gates + weights[f"{prefix}weight_hh_l0"] @ hidden + weights[f"{prefix}bias_hh_l0"]
    write, forget, candidate, read = gates.view(4, -1)
    cell = forget.sigmoid() * cell + write.sigmoid() * candidate.tanh()
    hidden = read.sigmoid() * cell.tanh()
    projection = weights.get(f"{prefix}weight_hr_l0")
    return hidden if projection is None else projection @ hidden, cell


def run_lstm(x, cells, dim, weights, prefix=""):
    """Outputs [time, dim] of one sentence x [time, features], from a state of zeros."""
    hidden, cell = x.new_zeros(dim), x.new_zeros(cells)
    outputs = []
    for step in x:
        hidden, cell = lstm_step(step, hidden, cell, weights, prefix)
        outputs.append(hidden)
    return torch.stack(outputs)


def attention_score(kind, source, query, weights, prefix=""):
    """A(x_i, y_j) as printed, for one pair of positions."""
    keyed = weights[f"{prefix}source_projection.weight"] @ source
    asked = weights[f"{prefix}query_projection.weight"] @ query
    scale = weights[f"{prefix}scale"]
    if kind == "product":
        return sum(v * k.tanh() * q.tanh() for v, k, q in zip(scale, keyed, asked, strict=True))
    return sum(v * (k + q).tanh() for v, k, q in zip(scale, keyed, asked, strict=True))


def attend(kind, source, query, weights, prefix=""):
    """The context [dim] and the weights [source] of one query over a sentence without padding."""
    scores = torch.stack(
        [attention_score(kind, vector, query, weights, prefix) for vector in source]
    )
    shares = scores.exp() / scores.exp().sum()
    return sum(share * vector for share, vector in zip(shares, source, strict=True)), shares


def smoothed_loss(features, weight, target, smoothing):
    """fairseq's definition: (1 - eps - eps_i) * nll + eps_i * smooth, eps_i = eps / (V - 1)."""
    words = len(weight)
    eps_i = smoothing / (words - 1)
    total = likelihood = features.new_zeros(())
    for token, word in zip(features, target.tolist(), strict=True):
        logits = token @ weight.t()
        log_p = logits - logits.exp().sum().log()
        nll, smooth = -log_p[word], -log_p.sum()
        likelihood = likelihood + nll
        total = total + (1 - smoothing - eps_i) * nll + eps_i * smooth
    return total, likelihood
