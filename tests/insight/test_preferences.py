"""What experts are given, beside counts one token at a time."""

from __future__ import annotations

import math
from collections import Counter
from types import SimpleNamespace
from typing import Any

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from small_models import build, collate, sentences

from moe_nmt.insight.contexts import Context, Texts
from moe_nmt.insight.expert_report import Limits, gather, report
from moe_nmt.insight.expert_tables import as_json, as_text, as_tsv
from moe_nmt.insight.preferences import Best, Preference, Preferences
from moe_nmt.insight.routed import Routed, routed
from moe_nmt.moe.routing import Routing

EXPERTS, WORDS = 3, 5


def planted(tokens: list[tuple[int, list[tuple[int, float]]]], first: int = 0) -> Routed:
    """Tokens as (word, [(expert, gate), ...]), two to a sentence."""
    assigned = [(t, e, g) for t, (_, chosen) in enumerate(tokens) for e, g in chosen]
    token, expert, gate = (list(column) for column in zip(*assigned, strict=True))
    count = torch.bincount(torch.tensor(expert), minlength=EXPERTS)
    importance = torch.zeros(EXPERTS).index_add(0, torch.tensor(expert), torch.tensor(gate))
    routing = Routing(
        *(torch.tensor(token), torch.tensor(expert), torch.tensor(gate)),
        *(importance, count.float(), torch.zeros(())),
    )
    number = torch.arange(len(tokens))
    read = torch.tensor([word for word, _ in tokens])
    return Routed(first + number // 2, number % 2, read, (read + 1) % WORDS, routing)


batches_of_tokens = st.lists(
    st.lists(
        st.tuples(
            st.integers(0, WORDS - 1),
            st.lists(
                st.tuples(st.integers(0, EXPERTS - 1), st.sampled_from([0.25, 0.5, 0.75])),
                min_size=1,
                max_size=2,
                unique_by=lambda chosen: chosen[0],
            ),
        ),
        min_size=1,
        max_size=12,
    ),
    min_size=1,
    max_size=3,
)


@given(batches_of_tokens)
def test_counts_information_and_the_best_are_those_of_a_loop(batches: Any) -> None:
    found = Preferences(EXPERTS, WORDS, WORDS, contexts=2)
    for number, batch in enumerate(batches):
        found.add(planted(batch, first=100 * number))
    tokens = [token for batch in batches for token in batch]
    words = Counter(word for word, _ in tokens)
    assert found.tokens == len(tokens)
    for expert in range(EXPERTS):
        mine = [(w, g) for w, chosen in tokens for e, g in chosen if e == expert]
        given_words = Counter(word for word, _ in mine)
        assert int(found.assignments[expert]) == len(mine)
        assert float(found.gates[expert]) == pytest.approx(sum(gate for _, gate in mine))
        information = found.read.information(expert, least=2)
        for word in range(WORDS):
            if given_words[word] < 2:
                assert information[word] == -math.inf
                continue
            expected = given_words[word] / len(mine) / (words[word] / len(tokens))
            assert float(information[word]) == pytest.approx(math.log2(expected), abs=1e-9)
        p = [count / len(mine) for count in given_words.values()]
        expected = -sum(q * math.log2(q) for q in p)
        assert float(found.read.entropy()[expert]) == pytest.approx(expected, abs=1e-9)

        places = [
            (gate, 100 * number + place // 2, place % 2)
            for number, batch in enumerate(batches)
            for place, (_, chosen) in enumerate(batch)
            for e, gate in chosen
            if e == expert
        ]
        assert found.best.of(expert) == sorted(places, key=lambda p: -p[0])[:2]


def test_positions_are_counted_by_their_logarithm() -> None:
    found = Preferences(1, 1, 0, contexts=1)
    positions = torch.tensor([0, 1, 2, 3, 6, 7, 126, 127, 5000])
    n = len(positions)
    zeros = torch.zeros(n, dtype=torch.int64)
    routing = Routing(
        *(torch.arange(n), zeros, torch.ones(n)),
        *(torch.full((1,), n), torch.full((1,), n), torch.zeros(())),
    )
    found.add(Routed(zeros, positions, zeros, None, routing))
    assert found.position.of_tokens.tolist() == [1, 2, 2, 1, 0, 0, 1, 2]


def test_nothing_is_given_to_an_expert_that_is_never_used() -> None:
    preference = Preference(2, 3)
    assert preference.entropy().tolist() == [0, 0]
    assert preference.information(1, least=1).tolist() == [-math.inf] * 3
    assert Best(2, 3).of(1) == []


@torch.no_grad()
def test_routed_tokens_are_those_of_single_sentences() -> None:
    model = build().train()
    sources, targets = sentences(5, 3, 9), sentences(6, 4, 2, seed=2)
    batches = [collate(sources[:2], targets[:2]), collate(sources[2:], targets[2:], 3, first=2)]
    together = list(routed(model, batches))
    assert not model.training
    for number, (source, target) in enumerate(zip(sources, targets, strict=True)):
        alone = next(routed(model, [collate([source], [target], first=number)]))
        for name, mine in alone.items():
            of_batch = together[number // 2][name]
            here = of_batch.sentence == number
            assert torch.equal(of_batch.read[here], mine.read)
            assert torch.equal(of_batch.position[here], torch.arange(len(mine.read)))
            if name.startswith("decoder"):
                assert of_batch.predicted is not None
                assert torch.equal(of_batch.predicted[here], target)
                assert torch.equal(mine.read, torch.cat([target[-1:], target[:-1]]))
            else:
                assert torch.equal(mine.read, source)
                assert of_batch.predicted is None
            chosen = here[of_batch.routing.token]
            assert torch.equal(of_batch.routing.expert[chosen], mine.routing.expert)


class Entries(list[str]):
    """A dictionary of four special entries and subwords of sentences."""

    nspecial = 4

    @property
    def symbols(self) -> list[str]:
        return list(self)

    def pad(self) -> int:
        return 1

    def eos(self) -> int:
        return 2


ENTRIES = Entries(["<s>", "<pad>", "</s>", "<unk>", "▁the", "▁Män", "ner", "▁eat", "."])


@pytest.mark.parametrize(
    ("name", "position", "expected"),
    [
        ("encoder_1", 0, "[the] Männer eat."),
        ("encoder_1", 2, "the [Männer] eat."),
        ("encoder_1", 5, "the Männer eat. [</s>]"),
        ("decoder_1", 0, "[<s>] the Männer eat."),
        ("decoder_1", 2, "the [Männer] eat."),
        ("decoder_1", 5, "the Männer [eat.]"),
    ],
)
def test_contexts_have_whole_words(name: str, position: int, expected: str) -> None:
    row = torch.tensor([[4, 5, 6, 7, 8, 2, 1]])
    batch = {"id": torch.tensor([7]), "target": row, "net_input": {"src_tokens": row}}
    best = SimpleNamespace(place=torch.tensor([[7, position]]))
    texts = Texts([batch], ENTRIES, name, best)  # type: ignore[arg-type]
    found = texts.context(0.5, 7, position)
    assert (str(found), found.sentence, found.gate) == (expected, 8, 0.5)


def test_a_long_sentence_is_cut_round_the_word() -> None:
    before, after = "b c d e f g", "i j k l m n"
    row = torch.tensor([[*range(4, 20), 2]])
    entries = Entries(["<s>", "<pad>", "</s>", "<unk>", *"abcdefghijklmnop"])
    batch = {"id": torch.tensor([0]), "target": row, "net_input": {"src_tokens": row}}
    best = SimpleNamespace(place=torch.tensor([[0, 7]]))
    found = Texts([batch], entries, "encoder_1", best).context(1, 0, 7)  # type: ignore[arg-type]
    assert found == Context(1, 1, before, "h", after)


def test_a_report_of_a_hierarchical_mixture_has_its_groups() -> None:
    model = build(experts=9, expert_groups=3)
    batches = [collate(sentences(5, 3, 9), sentences(6, 4, 2, seed=2))]
    mixtures = report(model, batches, gather(model, batches, 2), Limits(contexts=2, least=1))
    assert [mixture.name for mixture in mixtures] == ["encoder_1", "decoder_1"]
    for mixture in mixtures:
        assert [expert.group for expert in mixture.experts] == [0, 0, 0, 1, 1, 1, 2, 2, 2]
        assert sum(mixture.groups) == pytest.approx(1)
        of_group = sum(expert.share for expert in mixture.experts[3:6])
        assert of_group / 4 == pytest.approx(mixture.groups[1])  # k of k groups
        assert mixture.unused == sum(expert.share == 0 for expert in mixture.experts)
    text, lines = as_text(mixtures), as_tsv(mixtures)
    assert "of group 1: " in text
    assert len(lines) == 1 + 2 * 9
    assert len({line.count("\t") for line in lines}) == 1
    assert as_json(mixtures)[0]["experts"][8]["group"] == 2
