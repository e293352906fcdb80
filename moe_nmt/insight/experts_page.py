"""One HTML file to look at the experts of a model: sentences, contexts, and a map of the gates."""

from __future__ import annotations

import html
import json
import re
from collections.abc import Mapping, Sequence
from importlib import resources
from typing import Any

import torch
from torch import Tensor, nn

from moe_nmt.insight.expert_report import Mixture, dictionaries, gates
from moe_nmt.insight.expert_tables import as_json
from moe_nmt.insight.held_out import Batches
from moe_nmt.insight.routed import by_mixture
from moe_nmt.moe.gate import Gate, GateProjection
from moe_nmt.moe.hierarchical import HierarchicalGate

ASSETS = resources.files("moe_nmt.insight")


def page(model: Any, batches: Batches, mixtures: Sequence[Mixture], sentences: int) -> str:
    """The whole page, which needs nothing but a browser.

    Args:
        model: a translation or a language model.
        batches: of the text.
        mixtures: the report on it.
        sentences: how many of the text are shown word by word.
    """
    data = {
        "mixtures": as_json(mixtures),
        "maps": {name: map_of(gate) for name, gate in gates(model).items()},
        "sentences": shown(model, batches, sentences),
    }
    # Within a script element nothing but "<" can end it or begin a comment.
    text = json.dumps(data, ensure_ascii=False, separators=(",", ":")).replace("<", "\\u003c")
    parts = {name: (ASSETS / f"page.{name}").read_text("utf-8") for name in ("html", "css", "js")}
    parts["title"] = html.escape(", ".join(mixture.name for mixture in mixtures))
    parts["data"] = text
    # in one go: what is filled in is not searched for places to fill
    return re.sub(r"\{(css|js|title|data)\}", lambda place: parts[place[1]], parts["html"])


def map_of(gate: Gate) -> list[list[float]]:
    """The experts' vectors of the gate in the plane where they differ most: [experts][2].

    The axes are the two principal components of W_g's columns, in a hierarchical mixture of the
    secondary gates'; the largest coordinate of each is positive.
    """
    last = gate.secondary if isinstance(gate, HierarchicalGate) else gate
    projection = next(m for m in last.modules() if isinstance(m, GateProjection))
    vectors = projection.weight.detach().double().transpose(1, 2).flatten(0, 1)  # [experts, dim]
    centred = vectors - vectors.mean(dim=0)
    _, _, axes = torch.linalg.svd(centred, full_matrices=False)
    place = centred @ axes[:2].t()  # [experts, 2]
    place = nn.functional.pad(place, (0, 2 - place.size(1)))
    largest = place.gather(0, place.abs().argmax(dim=0, keepdim=True))
    place = place * torch.where(largest < 0, -1.0, 1.0)
    return [[round(value, 4) for value in point] for point in place.tolist()]


@torch.no_grad()
def shown(model: Any, batches: Batches, sentences: int) -> list[dict[str, Any]]:
    """The first sentences, in the text's order.

    Returns:
        Of each one ``source`` and ``target``, its entries with the end, of a language model
        ``target`` alone; ``routes``, for a mixture the [expert, gate] pairs of each token that it
        reads, the heaviest first; and ``attention`` [target][source] in hundredths, if there is.
    """
    model.eval()
    sides = dictionaries(model)
    found: dict[int, dict[str, Any]] = {}
    for whole in batches:
        batch = rows_of(whole, (whole["id"] < sentences).nonzero().squeeze(1))
        if len(batch["id"]) == 0:
            continue
        _, extra = model(**batch["net_input"], features_only=True)
        has_source = "prev_output_tokens" in batch["net_input"]
        for row, number in enumerate(batch["id"].tolist()):
            sentence: dict[str, Any] = {"number": number + 1, "routes": {}}
            if has_source:
                sentence["source"] = entries(sides[True], batch["net_input"]["src_tokens"][row])
            sentence["target"] = entries(sides[False], batch["target"][row])
            if extra["attn"] is not None:
                lengths = len(sentence["target"]), len(sentence["source"])
                weights = extra["attn"][0][row, : lengths[0], : lengths[1]]
                sentence["attention"] = (100 * weights).round().int().tolist()
            found[number] = sentence
        for name, routed in by_mixture(model, batch, extra["routings"]).items():
            for number, routes in chosen(routed.sentence, routed.routing).items():
                found[number]["routes"][name] = routes
    return [found[number] for number in sorted(found)]


def rows_of(batch: Mapping[str, Any], rows: Tensor) -> dict[str, Any]:
    """Some sentences of a batch: ``rows`` [sentences] int64."""
    cut: dict[str, Any] = {}
    for name in ("id", "target"):
        cut[name] = batch[name].index_select(0, rows)
    cut["net_input"] = {
        name: value.index_select(0, rows)
        for name, value in batch["net_input"].items()
        if torch.is_tensor(value)
    }
    return cut


def entries(dictionary: Any, row: Tensor) -> list[str]:
    """A sentence without padding: [time] -> entries, </s> the last."""
    return [dictionary[i] for i in row.tolist() if i != dictionary.pad()]


def chosen(sentence: Tensor, routing: Any) -> dict[int, list[list[list[float]]]]:
    """By sentence, and token by token, the experts and their gates."""
    tokens: list[list[list[float]]] = [[] for _ in sentence]
    columns = (routing.token, routing.expert, routing.gate)
    for token, expert, gate in zip(*(c.tolist() for c in columns), strict=True):
        tokens[token].append([expert, round(gate, 3)])
    found: dict[int, list[list[list[float]]]] = {}
    for number, routes in zip(sentence.tolist(), tokens, strict=True):
        found.setdefault(number, []).append(sorted(routes, key=lambda pair: -pair[1]))
    return found
