"""Held-out text on its way through the gates: which token went where."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import Any, NamedTuple

import torch
from torch import Tensor

from moe_nmt.moe.routing import Routing, where_true


class Routed(NamedTuple):
    """The tokens of a batch at one mixture."""

    sentence: Tensor  # [tokens] int64, its number in the data set
    position: Tensor  # [tokens] int64, in its sentence, from 0
    read: Tensor  # [tokens] int64, the word read, in the decoder </s> before the first
    predicted: Tensor | None  # [tokens] int64, the word predicted after it; None in the encoder
    routing: Routing  # of these tokens, in this order


@torch.no_grad()
def routed(model: Any, batches: Iterable[dict[str, Any]]) -> Iterator[dict[str, Routed]]:
    """Sends batches through a model, without noise: what each mixture did, by its name.

    Args:
        model: a translation or language model; put into evaluation mode.
        batches: as fairseq's tasks collate them.
    """
    model.eval()
    for batch in batches:
        _, extra = model(**batch["net_input"], features_only=True)
        yield by_mixture(model, batch, extra["routings"])


def by_mixture(
    model: Any, batch: dict[str, Any], routings: Mapping[str, Routing]
) -> dict[str, Routed]:
    """The tokens of a batch beside what the model did with them."""
    pad = model.decoder.dictionary.pad()
    source = batch["net_input"]["src_tokens"]  # [batch, time]; a language model reads it
    target = batch["net_input"].get("prev_output_tokens", source)
    found = {}
    for name, routing in routings.items():
        is_encoder = name.startswith("encoder")
        read = (source if is_encoder else target).t()  # [time, batch]
        index = where_true(read != pad)  # [tokens]
        found[name] = Routed(
            sentence=batch["id"][index % read.size(1)],
            position=index // read.size(1),
            read=read.flatten()[index],
            predicted=None if is_encoder else batch["target"].t().flatten()[index],
            routing=routing,
        )
    return found
