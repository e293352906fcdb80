"""What the generator adds to the search: precision, references, ensembles, alignments."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from fairseq.sequence_generator import SequenceGenerator
from search_references import VOCABULARY, Oracle, decided, found
from small_models import build, collate, dictionary, sentences
from threads import in_threads

from moe_nmt.models.gnmt_moe import GNMTMoEModel
from moe_nmt.moe.gate import Gate
from moe_nmt.search import Generator, Score, SearchOptions
from moe_nmt.search.ensemble import mean_log
from moe_nmt.search.generator import LengthLimit


def scores_of(model: GNMTMoEModel, sample: dict[str, Any]) -> list[float]:
    """The scores of the references."""
    generator = Generator(
        [model], dictionary(), SearchOptions(), LengthLimit(), score_reference=True
    )
    return [float(best["score"]) for (best,) in generator.generate([model], sample)]


@pytest.mark.parametrize("feed", ["input", "output"])
@pytest.mark.parametrize("mode", ["cast", "autocast"])
def test_half_precision_is_close(feed: str, mode: str) -> None:
    model = build(attention_feed=feed, lstm_cells=24)
    sample = collate(sentences(5, 3, 7), sentences(6, 4, 2, seed=2))
    full = scores_of(model, sample)
    if mode == "cast":
        model.to_bfloat16()
        half = scores_of(model, sample)
    else:
        with torch.autocast("cpu", dtype=torch.bfloat16):
            half = scores_of(model, sample)
    assert half == pytest.approx(full, rel=0.02)
    assert half != full


def test_gates_stay_in_float32_and_shared_weights_shared() -> None:
    model = build(share_all_embeddings=True, gate="strictly-balanced")
    model.to_bfloat16()
    gates = [m for m in model.modules() if isinstance(m, Gate)]
    assert {p.dtype for gate in gates for p in gate.parameters()} == {torch.float32}
    assert model.decoder.embedding.weight.dtype == torch.bfloat16
    assert model.decoder.output_embedding.weight is model.encoder.embedding.weight


def test_references_get_the_score_of_the_formula() -> None:
    model = build()
    sources, targets = sentences(5, 3, 7), sentences(6, 4, 2, seed=2)
    expected = [
        Oracle([model], source).score(tuple(target.tolist()), Score())
        for source, target in zip(sources, targets, strict=True)
    ]
    assert scores_of(model, collate(sources, targets)) == pytest.approx(expected, rel=1e-4)


def test_a_mean_of_probabilities() -> None:
    logs = [torch.tensor([0.2, 0.8]).log(), torch.tensor([0.6, 0.4]).log()]
    torch.testing.assert_close(mean_log(logs).exp(), torch.tensor([0.4, 0.6]))
    torch.testing.assert_close(mean_log(logs[:1]), logs[0])


def test_what_fairseqs_commands_get() -> None:
    model, (source,) = decided(1), sentences(5, vocabulary=VOCABULARY)
    sample = collate([source], [source], more_padding=2)
    for alignment in (None, "hard", "soft"):
        generator = Generator(
            [model], dictionary(VOCABULARY), SearchOptions(), LengthLimit(0, 6), 1.0, alignment
        )
        ((best,),) = generator.generate([model], sample)
        length = best["tokens"].numel()
        assert best["tokens"][-1] == generator.eos
        assert best["attention"].shape == (5, length)  # no padding
        words = best["attention"][:-1, : length - 1]  # without the ends of sentence
        rows = [[f"{p:.6f}" for p in row] for row in best["attention"].t().tolist()]
        pairs = [(place, target) for target, place in enumerate(words.argmax(0).tolist())]
        assert best["alignment"] == {None: [], "hard": pairs, "soft": rows}[alignment]


def test_the_temperature_divides_the_logits() -> None:
    model, sources = decided(1), sentences(5, vocabulary=VOCABULARY)
    sample = collate(sources, sources)
    flat = Generator(
        [model], dictionary(VOCABULARY), SearchOptions(), LengthLimit(0, 6), temperature=2.0
    ).generate([model], sample)
    model.decoder.output_embedding.weight.data.div_(2)
    halved = Generator(
        [model], dictionary(VOCABULARY), SearchOptions(), LengthLimit(0, 6)
    ).generate([model], sample)
    assert found(flat[0]) == found(halved[0])
    torch.testing.assert_close(flat[0][0]["score"], halved[0][0]["score"])


def test_neighbours_in_the_batch_change_fairseqs_translations_and_not_ours() -> None:
    """Its greatest length is that of the longest source of the batch, here twice a sentence's."""
    words, depends = dictionary(VOCABULARY), 0
    for seed in range(8):
        model, sources = decided(seed), sentences(2, 6, seed=seed, vocabulary=VOCABULARY)
        together, alone = collate(sources, sources), collate(sources[:1], sources[:1])
        ours = Generator([model], words, SearchOptions(), LengthLimit(1, 0))
        theirs = SequenceGenerator([model], words, max_len_a=1, max_len_b=0)
        one, two = (found(ours.generate([model], sample)[0]) for sample in (together, alone))
        assert one == two
        one, two = (found(theirs.generate([model], sample)[0]) for sample in (together, alone))
        depends += one != two
    assert depends > 4


@pytest.mark.parametrize("feed", ["input", "output"])
def test_threads_may_share_a_model(feed: str) -> None:
    """Every other thread translates in half precision."""
    model = build(attention_feed=feed).eval()
    sources = [sentences(5, 3, 7, seed=seed) for seed in range(6)]
    samples = [collate(source, source) for source in sources]

    def translate(index: int) -> list[Any]:
        generator = Generator([model], dictionary(), SearchOptions(beam=2), LengthLimit(b=9))
        with torch.autocast("cpu", dtype=torch.bfloat16, enabled=index % 2 == 1):
            found = generator.generate([model], samples[index])
        return [(best["tokens"].tolist(), float(best["score"])) for best, *_ in found]

    alone = [translate(index) for index in range(6)]
    together = in_threads(6, lambda index: [translate(index) for _ in range(5)])
    assert together == [[expected] * 5 for expected in alone]
