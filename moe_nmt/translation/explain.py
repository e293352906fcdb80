"""Which experts a translation went through: the model reads it once more, as in training."""

from __future__ import annotations

from typing import NamedTuple

import torch

from moe_nmt.translation.translation import Translation
from moe_nmt.translation.translator import Translator


class Choice(NamedTuple):
    """An expert that a gate chose for a token."""

    expert: int
    gate: float  # its weight, G(x)_i


@torch.no_grad()
def experts_of(translator: Translator, translation: Translation) -> dict[str, list[list[Choice]]]:
    """The experts of each piece, the heaviest first, by the name of the mixture.

    Of an ensemble they are the first model's.

    Args:
        translator: whose translation it is.
        translation: of one sentence, not cut.

    Returns:
        For a mixture of the encoder, such as "encoder_2", as many lists as source pieces and the
        end of sentence; for one of the decoder, as pieces of the best hypothesis and its end: the
        experts at work when that piece was predicted.
    """
    model, dictionary = translator.models[0], translator.languages.target_dictionary
    source = translator.numbers(translation.source_pieces)
    pieces = [dictionary.index(piece) for piece in translation.hypotheses[0].pieces]
    read = torch.tensor([dictionary.eos(), *pieces])  # the target, shifted by one
    place = translator.device
    _, extra = model(source[None].to(place), None, read[None].to(place), features_only=True)
    found: dict[str, list[list[Choice]]] = {}
    for name, routing in extra["routings"].items():
        tokens = source if name.startswith("encoder") else read
        of_tokens: list[list[Choice]] = [[] for _ in tokens]
        for token, expert, gate in zip(
            routing.token.tolist(), routing.expert.tolist(), routing.gate.tolist(), strict=True
        ):
            of_tokens[token].append(Choice(expert, gate))
        found[name] = [sorted(choices, key=lambda c: -c.gate) for choices in of_tokens]
    return found
