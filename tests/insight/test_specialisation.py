"""What the choice of an expert tells, beside entropies counted by hand."""

from __future__ import annotations

import math
from collections import Counter

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from small_models import build, collate, sentences

from moe_nmt.insight.specialisation import Information, choices, mutual_information


def entropy(values: list[object]) -> float:
    """Of a list's values, in bits."""
    return -sum(n / len(values) * math.log2(n / len(values)) for n in Counter(values).values())


@given(st.lists(st.tuples(st.integers(0, 4), st.integers(0, 6)), min_size=1, max_size=40))
def test_it_is_both_entropies_without_the_joint_one(pairs: list[tuple[int, int]]) -> None:
    labels, experts = zip(*pairs, strict=True)
    expected = entropy([*labels]) + entropy([*experts]) - entropy([*pairs])
    found = mutual_information(torch.tensor(labels), torch.tensor(experts))
    assert found == pytest.approx(expected, abs=1e-9)


def test_experts_of_domains_tell_all_and_shuffled_ones_little() -> None:
    labels = torch.arange(400) % 2
    place = torch.arange(4000) // 10
    found = Information.of(labels, place, labels[place] * 3, seed=1)
    assert found.bits == pytest.approx(1)
    assert 0 <= found.shuffled < 0.05
    assert found == Information.of(labels, place, labels[place] * 3, seed=1)


@torch.no_grad()
def test_choices_have_the_sentence_and_the_word_of_each_assignment() -> None:
    model = build().eval()
    sources, targets = sentences(5, 3, 9), sentences(6, 4, 2, seed=2)
    batches = [collate(sources[:2], targets[:2]), collate(sources[2:], targets[2:], 3, first=2)]
    together = choices(model, batches)
    for name, found in together.items():
        for number, (source, target) in enumerate(zip(sources, targets, strict=True)):
            batch = collate([source], [target])
            _, extra = model(**batch["net_input"])
            routing = extra["routings"][name]
            read = (
                source
                if name.startswith("encoder")
                else batch["net_input"]["prev_output_tokens"][0]
            )
            mine = found.sentence == number
            got = Counter(zip(found.word[mine].tolist(), found.expert[mine].tolist(), strict=True))
            wanted = Counter(
                zip(read[routing.token].tolist(), routing.expert.tolist(), strict=True)
            )
            assert got == wanted, name
    assert together.keys() == {"encoder_1", "decoder_1"}
