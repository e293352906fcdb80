"""Slow references of the gates: token by token in float64, as the paper prints the formulas."""

import math
from contextlib import contextmanager
from typing import NamedTuple
from unittest import mock

import torch


class Gates(NamedTuple):
    """What a gate decides, spelled out over all experts."""

    gates: torch.Tensor  # [tokens, experts], G(x), zero where an expert is not used
    importance: torch.Tensor  # [experts]
    load: torch.Tensor  # [experts]
    auxiliary_loss: torch.Tensor  # []


def spelled_out(routing, tokens):
    """Writes a routing as a matrix; an assignment listed twice would count twice."""
    gates = routing.gate.new_zeros(tokens, routing.num_experts)
    gates = gates.index_put((routing.token, routing.expert), routing.gate, accumulate=True)
    return Gates(gates, routing.importance, routing.load, routing.auxiliary_loss)


def softmax(values):
    exponentials = (values - values.max().detach()).exp()
    return exponentials / exponentials.sum()


def normal_cdf(value):
    return (1 + torch.erf(value / math.sqrt(2))) / 2


def kth_excluding(values, k, i):
    """The k-th largest component of ``values``, leaving out component i."""
    others = torch.cat([values[:i], values[i + 1 :]])
    return others.sort(descending=True).values[k - 1]


def softmax_gate(x, w_gate):
    gates = torch.stack([softmax(token @ w_gate) for token in x])
    return Gates(gates, gates.sum(0), torch.full_like(w_gate[0], len(x)), x.new_zeros(()))


def noisy_top_k(x, w_gate, w_noise, k, noise=None):
    """Section 2.1 and App. A; without ``noise`` [tokens, experts] as in evaluation."""
    n = w_gate.size(1)
    rows, loads = [], []
    for t, token in enumerate(x):
        clean = token @ w_gate
        std = (1 + (token @ w_noise).exp()).log()
        noisy = clean if noise is None else clean + noise[t] * std
        kept = sorted(range(n), key=noisy.detach().neg().tolist().__getitem__)[:k]
        weights = dict(zip(kept, softmax(noisy[kept]), strict=True))
        rows.append(torch.stack([weights.get(i, x.new_zeros(())) for i in range(n)]))
        if noise is None or k == n:
            loads.append(x.new_tensor([float(i in kept) for i in range(n)]))
        else:
            z = [(clean[i] - kth_excluding(noisy, k, i)) / std[i] for i in range(n)]
            loads.append(normal_cdf(torch.stack(z)))
    gates = torch.stack(rows)
    return Gates(gates, gates.sum(0), torch.stack(loads).sum(0), x.new_zeros(()))


def strictly_balanced(x, w_gate, threshold, k, training, most=None):
    """App. F; thresholds [experts].  In evaluation ``most`` experts a token, by default 4 k."""
    tokens, n = len(x), w_gate.size(1)
    p = torch.stack([softmax(token @ w_gate) for token in x])
    m = max(1, math.floor(k * tokens / n + 0.5))
    batchwise = torch.zeros(tokens, n, dtype=torch.bool)
    within = torch.zeros(tokens, n, dtype=torch.bool)
    for i in range(n):
        for t in sorted(range(tokens), key=p[:, i].detach().neg().tolist().__getitem__)[:m]:
            batchwise[t, i] = True
        for t in range(tokens):
            within[t, i] = p[t, i] > threshold[i]
    limited = torch.zeros_like(within)
    for t in range(tokens):
        passed = [i for i in range(n) if within[t, i]]
        for i in sorted(passed, key=lambda i: -p[t, i].item())[: most or 4 * k]:
            limited[t, i] = True
    mask = batchwise if training else limited
    rows, loss = [], x.new_zeros(())
    for t in range(tokens):
        kept = [p[t, i] if mask[t, i] else x.new_zeros(()) for i in range(n)]
        total = sum(kept) if mask[t].any() else 1
        rows.append(torch.stack([value / total for value in kept]))
        for i in range(n):
            excess = float(within[t, i]) - float(batchwise[t, i])
            loss = loss + excess * (p[t, i].detach() - threshold[i])
    gates = torch.stack(rows)
    load = mask.sum(0).to(x.dtype)
    return Gates(gates, gates.sum(0), load, loss / tokens if training else x.new_zeros(()))


def side_by_side(parts):
    """Independent gates as one gate of several groups, whose tokens and experts follow each
    other; its own loss is a mean over all tokens."""
    sizes = [len(part.gates) for part in parts]
    loss = sum(part.auxiliary_loss * size for part, size in zip(parts, sizes, strict=True))
    return Gates(
        torch.block_diag(*(part.gates for part in parts)),
        torch.cat([part.importance for part in parts]),
        torch.cat([part.load for part in parts]),
        loss / sum(sizes),
    )


def members_of_groups(first):
    """X^(i): the tokens with Gprimary(x)_i > 0, for each group i."""
    return [[t for t, row in enumerate(first.gates) if row[i] > 0] for i in range(len(first.load))]


def hierarchical(first, seconds):
    """App. B: the primary gate's result, and each secondary gate's on the tokens of its group
    (None for a group without tokens)."""
    groups = members_of_groups(first)
    experts = max(len(second.load) for second in seconds if second is not None)
    rows = []
    for t in range(len(first.gates)):
        row = []
        for i, (members, second) in enumerate(zip(groups, seconds, strict=True)):
            for j in range(experts):
                inside = t in members
                row.append(
                    first.gates[t, i] * second.gates[members.index(t), j]
                    if inside
                    else first.gates.new_zeros(())
                )
        rows.append(torch.stack(row))
    load = [
        first.load[i] * second.load[j] / len(members) if members else first.load.new_zeros(())
        for i, (members, second) in enumerate(zip(groups, seconds, strict=True))
        for j in range(experts)
    ]
    gates = torch.stack(rows)
    sizes = [len(members) for members in groups]
    loss = sum(
        second.auxiliary_loss * size
        for second, size in zip(seconds, sizes, strict=True)
        if second is not None
    )
    return Gates(
        gates, gates.sum(0), torch.stack(load), first.auxiliary_loss + loss / max(sum(sizes), 1)
    )


@contextmanager
def recorded_noise():
    """Collects, in order, the noise that gates draw."""
    draws = []
    randn_like = torch.randn_like

    def record(like):
        draws.append(randn_like(like))
        return draws[-1]

    with mock.patch.object(torch, "randn_like", record):
        yield draws
