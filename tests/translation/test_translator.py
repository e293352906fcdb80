"""Translating from Python."""

from __future__ import annotations

import math
import random
import shutil
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
import torch
from commands import PLUGIN, hypotheses, run_here

from moe_nmt import load
from moe_nmt.errors import LimitError, UserError
from moe_nmt.translation.explain import experts_of
from moe_nmt.translation.translation import Translation
from moe_nmt.translation.translator import Translator, batches

LENGTHS = {"max_len_a": 0.0, "max_len_b": 20}  # a model that has hardly learnt seldom ends


@pytest.fixture(scope="module")
def translator(folder: Path) -> Translator:
    return load(folder)


@pytest.fixture(scope="module")
def lines(corpus: Path) -> list[str]:
    return (corpus / "test.en").read_text(encoding="utf-8").splitlines()


def texts(translations: list[Translation]) -> list[str]:
    return [str(translation) for translation in translations]


def test_it_translates_as_fairseq_generate_does(
    translator: Translator, lines: list[str], checkpoint: Path, binarised: Path
) -> None:
    output = run_here(
        "generate",
        *(binarised, *PLUGIN, "--path", checkpoint, "--gen-subset", "test", "--beam", "5"),
        *("--nbest", "2", "--max-len-a", "0", "--max-len-b", "20"),
    )
    expected: dict[int, list[tuple[str, float]]] = {}
    for line in output.splitlines():
        if line.startswith("H-"):
            number, score, text = line.split("\t")
            expected.setdefault(int(number[2:]), []).append((text, float(score) * math.log(2)))
    found = translator.translate(lines, nbest=2, **LENGTHS)
    for number, translation in enumerate(found):
        assert [h.text for h in translation.hypotheses] == [t for t, _ in expected[number]]
        scores = [score for _, score in expected[number]]
        assert [h.score for h in translation.hypotheses] == pytest.approx(scores, abs=1e-3)
    assert len(set(texts(found))) > 20


def test_a_translation_does_not_depend_on_its_neighbours(
    translator: Translator, lines: list[str]
) -> None:
    together = texts(translator.translate(lines, **LENGTHS))
    assert texts(translator.translate(lines, max_tokens=1, **LENGTHS)) == together
    order = list(range(len(lines)))
    random.Random(1).shuffle(order)
    shuffled = texts(translator.translate([lines[i] for i in order], **LENGTHS))
    assert shuffled == [together[i] for i in order]


def test_threads_may_share_one(translator: Translator, lines: list[str]) -> None:
    alone = [texts(translator.translate(lines[i::8], **LENGTHS)) for i in range(8)]
    with ThreadPoolExecutor(4) as pool:
        many = pool.map(lambda i: texts(translator.translate(lines[i::8], **LENGTHS)), range(8))
    assert list(many) == alone


def test_nothing_gives_nothing(translator: Translator) -> None:
    assert translator.translate([]) == []
    found = translator.translate(["", " \t\u2028\u200b", "\n"], nbest=3)
    assert texts(found) == ["", "", ""]
    assert [one.hypotheses[0].attention.shape for one in found] == [(1, 1)] * 3


@pytest.mark.parametrize("wrong", ["a dog", [b"a dog"], [None], [1]])
def test_what_is_no_list_of_strings_is_refused(translator: Translator, wrong: object) -> None:
    with pytest.raises(TypeError, match="texts must be"):
        translator.translate(wrong)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("options", "error", "words"),
    [
        ({"beam": 0}, LimitError, "beam must be at least 1, not 0"),
        ({"nbest": 0}, ValueError, "nbest must be at least 1, not 0"),
        ({"beam": 2, "nbest": 3}, LimitError, "nbest must be at most the beam, 2, not 3"),
        ({"max_tokens": 0}, ValueError, "max_tokens must be at least 1, not 0"),
        ({"split_longer_than": 0}, ValueError, "split_longer_than must be at least 1, not 0"),
        ({"length_penalty_alpha": -1.0}, LimitError, "length_penalty_alpha must be at least 0"),
        ({"max_len_b": 0}, LimitError, "max_len_b must be from 1 to"),
        ({"max_len_a": float("inf")}, LimitError, "max_len_a must be from 0 to 1000"),
        ({"beam": "5"}, TypeError, "beam must be a whole number, not '5'"),
        ({"beam": 2.5}, TypeError, "beam must be a whole number, not 2.5"),
        ({"beam": True}, TypeError, "beam must be a whole number, not True"),
        ({"token_pruning": "3"}, TypeError, "token_pruning must be a number, not '3'"),
        ({"foo": 1}, TypeError, "foo"),
    ],
)
def test_values_outside_their_limits(
    translator: Translator, options: dict[str, object], error: type[Exception], words: str
) -> None:
    with pytest.raises(error, match=words):
        translator.translate(["a dog"], **options)  # type: ignore[arg-type]


def test_more_translations_than_the_beam_widen_it(translator: Translator, lines: list[str]) -> None:
    (found,) = translator.translate(lines[:1], nbest=7, **LENGTHS)
    scores = [hypothesis.score for hypothesis in found.hypotheses]
    assert len(scores) == 7
    assert scores == sorted(scores, reverse=True)
    (wide,) = translator.translate(lines[:1], nbest=7, beam=7, **LENGTHS)
    assert wide.hypotheses[0].text == found.hypotheses[0].text


def test_words_that_look_like_marks_are_unknown_words(translator: Translator) -> None:
    unknown = translator.languages.source_dictionary.unk()
    numbers = translator.numbers(["</s>", "<pad>", "<s>", "<unk>", "neverseen"])
    assert numbers.tolist() == [unknown] * 5 + [translator.languages.source_dictionary.eos()]
    (found,) = translator.translate(["</s> <pad>"], **LENGTHS)
    assert translator.unknown(found) == 2


def test_an_unknown_word_is_copied(translator: Translator) -> None:
    dictionary = translator.languages.target_dictionary
    known = dictionary.index("Hund") if "Hund" in dictionary else 4
    found = {
        "tokens": torch.tensor([known, dictionary.unk(), dictionary.eos()]),
        "score": torch.tensor(-1.0),
        "attention": torch.tensor([[0.9, 0.2, 0.1], [0.1, 0.7, 0.0], [0.0, 0.1, 0.9]]),
    }
    hypothesis = translator.hypothesis(found, ["the", "Zorp"])
    assert hypothesis.pieces == [dictionary[known], "Zorp"]
    assert hypothesis.text == f"{dictionary[known]} Zorp"
    assert hypothesis.alignment == [(0, 0), (1, 1)]


def test_long_texts_are_cut_where_sentences_end(translator: Translator, lines: list[str]) -> None:
    first, second = (f"{line.rstrip(' .')} ." for line in lines[:2])
    parts = translator.translate([first, second], **LENGTHS)
    longest = max(len(part.source_pieces) for part in parts)
    (whole,) = translator.translate([f"{first} {second}"], split_longer_than=longest, **LENGTHS)
    assert whole.text == f"{parts[0].text} {parts[1].text}"
    assert whole.score == pytest.approx(parts[0].score + parts[1].score, abs=1e-4)
    assert whole.source_words == parts[0].source_words + parts[1].source_words
    assert whole.source == f"{first} {second}"
    start, before = len(parts[0].source_words), len(parts[0].hypotheses[0].words)
    moved = [(start + s, before + t) for s, t in parts[1].alignment]
    assert whole.alignment == parts[0].alignment + moved
    hypothesis = whole.hypotheses[0]
    size = (len(hypothesis.pieces) + 1, len(whole.source_pieces) + 1)
    assert hypothesis.attention.shape == size
    block = parts[1].hypotheses[0].attention
    ours = hypothesis.attention[-block.size(0) :, -block.size(1) :]
    torch.testing.assert_close(ours, block, atol=1e-5, rtol=1e-4)


def test_progress_counts_texts_however_they_are_cut(translator: Translator) -> None:
    done: list[int] = []
    text = "a dog runs . a cat sits . " * 3
    translator.translate(
        [text, "", text], split_longer_than=4, max_tokens=20, progress=done.append, **LENGTHS
    )
    assert len(done) > 3
    assert done[0] == 1
    assert sum(done) == 3


def test_progress_counts_sentences(translator: Translator, lines: list[str]) -> None:
    done: list[int] = []
    translator.translate(lines[:20], max_tokens=60, progress=done.append, **LENGTHS)
    assert sum(done) == 20
    assert len(done) > 2


def test_batches_hold_what_they_may() -> None:
    lengths = [3, 0, 9, 1, 2, 20]
    assert list(batches(lengths, 12)) == [[5], [2], [0, 4, 3]]
    assert [len(batch) for batch in batches([1] * 300, 10**6)] == [128, 128, 44]


def test_an_ensemble_averages_its_models(folder: Path, lines: list[str]) -> None:
    one, both = load(folder), load(folder, folder)
    for alone, together in zip(
        one.translate(lines[:9], **LENGTHS), both.translate(lines[:9], **LENGTHS), strict=True
    ):
        assert together.text == alone.text
        assert together.score == pytest.approx(alone.score, abs=1e-4)
    assert len(both.models) == 2


def test_models_of_other_subwords_are_no_ensemble(folder: Path, subword_folder: Path) -> None:
    with pytest.raises(UserError, match=r"differ in subword\.model: an ensemble is of models"):
        load(folder, subword_folder)


def test_bf16_translates_about_the_same(folder: Path, lines: list[str]) -> None:
    exact = texts(load(folder).translate(lines, **LENGTHS))
    translator = load(folder, precision="bf16")
    rounded = texts(translator.translate(lines, **LENGTHS))
    assert translator.models[0].encoder.embedding.weight.dtype == torch.bfloat16
    assert sum(a == b for a, b in zip(exact, rounded, strict=True)) > len(lines) / 2


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ({"device": "meta"}, "there is no device 'meta'"),
        ({"device": "nonsense"}, "there is no device 'nonsense'"),
        ({"precision": "fp64"}, "the precision must be fp32 or bf16, not 'fp64'"),
    ],
)
def test_what_cannot_be_computed_with(folder: Path, arguments: dict[str, str], words: str) -> None:
    with pytest.raises(UserError, match=words):
        load(folder, **arguments)  # type: ignore[arg-type]


def test_load_needs_a_folder(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="name at least one model folder"):
        load()
    with pytest.raises(UserError, match="is no folder: name one that moe-nmt-pack has made"):
        load(tmp_path / "nowhere")


def test_a_model_that_computes_nan_says_so(folder: Path) -> None:
    translator = load(folder)
    translator.models[0].encoder.embedding.weight.fill_(float("nan"))
    with pytest.raises(UserError, match="the model computes nan"):
        translator.translate(["a dog"])


def test_experts_are_those_of_the_models_own_routing(
    translator: Translator, lines: list[str]
) -> None:
    (found,) = translator.translate(lines[:1], **LENGTHS)
    experts = experts_of(translator, found)
    assert experts.keys() == {"encoder_1", "decoder_1"}
    assert len(experts["encoder_1"]) == len(found.source_pieces) + 1
    assert len(experts["decoder_1"]) == len(found.hypotheses[0].pieces) + 1
    model = translator.models[0]
    source = translator.numbers(found.source_pieces)[None]
    routing = model.encoder(source)["routings"]["encoder_1"]
    for token, choices in enumerate(experts["encoder_1"]):
        own = routing.token == token
        chosen = {(choice.expert, round(choice.gate, 5)) for choice in choices}
        gates = routing.gate[own].tolist()
        pairs = zip(routing.expert[own].tolist(), gates, strict=True)
        assert chosen == {(expert, round(gate, 5)) for expert, gate in pairs}
        assert [c.gate for c in choices] == sorted((c.gate for c in choices), reverse=True)


def test_raw_text_goes_through_the_subwords(
    subword_folder: Path, subword_checkpoint: Path, prepared: Path, lines: list[str]
) -> None:
    output = run_here(
        "generate",
        *(prepared / "binarised", *PLUGIN, "--path", subword_checkpoint, "--gen-subset", "test"),
        *("--beam", "5", "--max-len-a", "0", "--max-len-b", "20"),
    )
    expected = hypotheses(output)
    found = load(subword_folder).translate(lines, **LENGTHS)
    for number, translation in enumerate(found):
        pieces = expected[number]
        assert translation.hypotheses[0].pieces == pieces.split()
        assert translation.text == " ".join(pieces.replace(" ", "").replace("▁", " ").split())


def test_a_folder_needs_no_other_file(folder: Path, tmp_path: Path, lines: list[str]) -> None:
    moved = shutil.copytree(folder, tmp_path / "elsewhere")
    assert texts(load(moved).translate(lines[:5], **LENGTHS)) == texts(
        load(folder).translate(lines[:5], **LENGTHS)
    )
