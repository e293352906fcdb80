"""What each expert has learned, to read: Table 9 of the paper for a model of one's own."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import torch
from fairseq.data import Dictionary
from torch import nn

from moe_nmt.files.progress import Progress
from moe_nmt.insight.contexts import Context, Texts
from moe_nmt.insight.held_out import Batches
from moe_nmt.insight.preferences import POSITIONS, Preference, Preferences
from moe_nmt.insight.routed import routed
from moe_nmt.modules.mixture_lstm import MixtureLSTM
from moe_nmt.modules.stack import ResidualMixture
from moe_nmt.moe.gate import Gate
from moe_nmt.moe.hierarchical import HierarchicalGate


@dataclass(frozen=True)
class Limits:
    """How much of each expert is told.

    Args:
        contexts: with the largest gates.
        words: that it prefers.
        least: a word that it had less often is not among these.
    """

    contexts: int = 5
    words: int = 8
    least: int = 5


@dataclass(frozen=True)
class Value:
    """A word or a position that an expert prefers."""

    value: str
    information: float  # log2 p(value | expert) / p(value), bits
    count: int


@dataclass(frozen=True)
class Expert:
    """What one expert is given.

    Args:
        number: in its mixture, from 0.
        group: of a hierarchical mixture; None in a flat one.
        share: of the tokens that it is given.
        gate: mean of its gate values.
        entropy: of the words read, in bits: small of an expert for a few words.
        read: words read.
        predicted: words predicted, in a decoder.
        positions: in the sentence.
        contexts: those with the largest gates.
    """

    number: int
    group: int | None
    share: float
    gate: float
    entropy: float
    read: list[Value]
    predicted: list[Value]
    positions: list[Value]
    contexts: list[Context]


@dataclass(frozen=True)
class Mixture:
    """The experts of one mixture.

    Args:
        name: such as encoder_1.
        tokens: that were read.
        entropy: of the choice of expert, in bits; at most log2 of their number.
        unused: experts that had no token.
        groups: share of the assignments of each group; empty in a flat mixture.
        experts: all of them.
    """

    name: str
    tokens: int
    entropy: float
    unused: int
    groups: list[float]
    experts: list[Expert]


def gather(model: Any, batches: Batches, contexts: int) -> dict[str, Preferences]:
    """Sends a text through a model, without noise, and counts what its experts are given.

    Args:
        model: a translation or a language model.
        batches: as fairseq's tasks collate them.
        contexts: kept for each expert.

    Returns:
        The counts of each mixture, by its name.
    """
    found: dict[str, Preferences] = {}
    sides = dictionaries(model)
    with Progress("reading", "sentences", sum(len(batch["id"]) for batch in batches)) as progress:
        for batch, of_batch in zip(batches, routed(model, batches), strict=True):
            for name, mixture in of_batch.items():
                if name not in found:
                    is_encoder = name.startswith("encoder")
                    found[name] = Preferences(
                        experts=mixture.routing.num_experts,
                        words=len(sides[is_encoder]),
                        predicted=0 if is_encoder else len(sides[False]),
                        contexts=contexts,
                    )
                found[name].add(mixture)
            progress.add(len(batch["id"]))
    return found


def dictionaries(model: Any) -> dict[bool, Dictionary]:
    """Of the words that mixtures read: by whether they are in the encoder."""
    target = model.decoder.dictionary
    return {True: model.encoder.dictionary if hasattr(model, "encoder") else target, False: target}


def report(
    model: Any, batches: Batches, found: Mapping[str, Preferences], limits: Limits
) -> list[Mixture]:
    """What was gathered of the model on these batches, in words."""
    gate_of, sides = gates(model), dictionaries(model)
    return [
        summary(
            name,
            mine,
            Texts(batches, sides[name.startswith("encoder")], name, mine.best),
            group_size(gate_of[name]),
            limits,
        )
        for name, mine in found.items()
    ]


def gates(model: nn.Module) -> dict[str, Gate]:
    """The gate of each mixture, by its name."""
    kinds = (ResidualMixture, MixtureLSTM)
    return {m.name: m.mixture.gate for m in model.modules() if isinstance(m, kinds)}


def group_size(gate: Gate) -> int | None:
    """Experts of a group of a hierarchical mixture, None of a flat one."""
    return gate.secondary.experts if isinstance(gate, HierarchicalGate) else None


def position_name(number: int) -> str:
    """Of a range of positions, counted from 1."""
    first, last = 2**number, 2 ** (number + 1) - 1
    if number == POSITIONS - 1:
        return f"{first} and later"
    return str(first) if first == last else f"{first} to {last}"


def summary(
    name: str, found: Preferences, texts: Texts, size: int | None, limits: Limits
) -> Mixture:
    """What was counted for a mixture, in words."""
    p = found.assignments.double() / found.assignments.sum().clamp_min(1)
    entropies = found.read.entropy()
    experts = [
        Expert(
            number=number,
            group=None if size is None else number // size,
            share=int(found.assignments[number]) / max(found.tokens, 1),
            gate=float(found.gates[number]) / max(int(found.assignments[number]), 1),
            entropy=float(entropies[number]),
            read=preferred(found.read, number, limits, texts.word),
            predicted=preferred(found.predicted, number, limits, texts.word),
            positions=preferred(found.position, number, limits, position_name),
            contexts=[texts.context(*place) for place in found.best.of(number)],
        )
        for number in range(len(p))
    ]
    groups = [] if size is None else p.view(-1, size).sum(1).tolist()
    entropy = abs(float(torch.special.xlogy(p, p).sum())) / math.log(2)
    unused = int((found.assignments == 0).sum())
    return Mixture(name, found.tokens, entropy, unused, groups, experts)


def preferred(
    preference: Preference | None, expert: int, limits: Limits, name: Callable[[int], str]
) -> list[Value]:
    """The values that tell most about an expert, those that it gets oftener than others do."""
    if preference is None:
        return []
    information = preference.information(expert, limits.least)
    counts = preference.table()[expert]
    order = information.argsort(descending=True, stable=True)[: limits.words]
    return [
        Value(name(value), round(float(information[value]), 3), int(counts[value]))
        for value in order.tolist()
        if information[value] > 0
    ]
