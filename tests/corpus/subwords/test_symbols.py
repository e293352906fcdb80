"""A user's own symbols are one subword each, wherever the model is applied."""

from __future__ import annotations

from pathlib import Path

import pytest
from commands import run

from moe_nmt.corpus.subwords.byte_pairs import BytePairs, sentence_tokens
from moe_nmt.corpus.subwords.subword import apply, learn, load, sample, undo
from moe_nmt.corpus.subwords.symbols import check_symbols
from moe_nmt.errors import UserError

SYMBOLS = ["<2de>", "<2d", "__NAME__", "⟨ort⟩", "$1.*"]


@pytest.fixture(params=["sentencepiece", "bpe"])
def model(request: pytest.FixtureRequest, tmp_path: Path) -> Path:
    text = "<2de> the man __NAME__ sees two men <2dein\nthe men see (<2de>) a man $1.*\n"
    (tmp_path / "text").write_text(text * 20, encoding="utf-8")
    size = 22 if request.param == "sentencepiece" else 80
    learn([tmp_path / "text"], request.param, size, 1, tmp_path / "model", symbols=SYMBOLS)
    return tmp_path / "model"


@pytest.mark.parametrize(
    "sentence",
    [
        "<2de> the men",
        "see <2de>",
        "a<2de>b (__NAME__), <2de><2de>",
        "x⟨ort⟩ $1.* <2dee",
        "__NAME____NAME__ __NAMEN__ 2de <2 de>",
        "<2de>",
        "the $1.*.",
    ],
)
def test_they_are_kept_whole(model: Path, sentence: str) -> None:
    segmenter = load(model)
    for pieces in (apply(sentence, segmenter), sample(sentence, segmenter, 0.3)):
        assert undo(pieces) == sentence
        for symbol in SYMBOLS:
            rest = sentence.replace("<2de>", "") if symbol == "<2d" else sentence
            assert pieces.split().count(symbol) == rest.count(symbol)
    assert {*SYMBOLS} <= segmenter.known()


def test_tokens_without_symbols_are_as_ever() -> None:
    text = "L'eau <2de>, (2 œufs)!"
    assert sentence_tokens(text, ["@"]) == sentence_tokens(text)
    assert sentence_tokens("a <2de> b", ["<2de>"]) == ["▁a", "▁", "<2de>", "▁b"]


def test_subword_nmt_reads_the_model_too(tmp_path: Path) -> None:
    (tmp_path / "text").write_text("the man <2de>\n" * 9)
    learn([tmp_path / "text"], "bpe", 30, 1, tmp_path / "model", symbols=["<2de>", "<2fr>"])
    head, *merges = (tmp_path / "model").read_text(encoding="utf-8").splitlines()
    assert head == "#version: ▁ <2de> <2fr> 0.2"
    assert not any("2" in merge for merge in merges)
    segmenter = load(tmp_path / "model")
    assert isinstance(segmenter, BytePairs)
    assert segmenter.symbols == ("<2de>", "<2fr>")
    (tmp_path / "words").write_text("▁the\n", encoding="utf-8")
    done = run(
        *("subword-nmt", "apply-bpe", "--codes", tmp_path / "model", "--separator", ""),
        *("--input", tmp_path / "words"),
    )
    assert done.stdout.split() == segmenter.best("the")


@pytest.mark.parametrize(
    ("symbols", "method", "message"),
    [
        (["a b"], "bpe", "'a b': a symbol is one word of visible characters"),
        ([""], "bpe", "'': a symbol is one word"),
        (["▁x"], "sentencepiece", "'▁x': a symbol is one word"),
        (["e\u0301"], "sentencepiece", "in NFC"),
        (["</s>"], "bpe", "</s>: fairseq has it already, for itself"),
        (["<a>", "<a>"], "bpe", "<a>: it is named twice"),
        (["<a>"], "moses-bpe", "Moses' rules take symbols apart, in fairseq as well: take --sub"),
    ],
)
def test_what_can_be_no_symbol(symbols: list[str], method: str, message: str) -> None:
    with pytest.raises(UserError, match="--symbols") as stop:
        check_symbols(symbols, method)
    assert message in str(stop.value)
