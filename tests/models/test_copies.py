"""A model can be copied at any time, as fairseq's --store-ema does."""

from copy import deepcopy

import pytest
import torch
from small_models import MIXTURES, build, collate, sentences


@pytest.mark.parametrize("mixture", MIXTURES)
def test_a_copy_made_between_forward_and_backward_is_the_same_model(mixture: str) -> None:
    model = build(**MIXTURES[mixture]).train()
    batch = collate(sentences(5, 3), sentences(6, 4, seed=2))["net_input"]
    logits, _ = model(**batch)
    copy = deepcopy(model)  # torch copies no tensor that is part of a graph
    logits.sum().backward()
    with torch.no_grad():
        expected, _ = model.eval()(**batch)
        computed, _ = copy.eval()(**batch)
    assert computed.equal(expected)
    marked = {name for name, p in model.named_parameters() if hasattr(p, "expert")}
    assert {name for name, p in copy.named_parameters() if hasattr(p, "expert")} == marked
    assert bool(marked) == (mixture != "none")
