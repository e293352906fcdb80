"""Moses' tokens of a corpus are those that fairseq makes of a user's text."""

from __future__ import annotations

import importlib
import sys

import pytest

from moe_nmt.corpus.subwords.moses import Moses
from moe_nmt.errors import UserError

SENTENCES = {
    "en": ['He\'s got a well-known "friend" & co.', "Dr. Smith paid $3,500 [sic] in Jan. | ok"],
    "fr": ["L'été, c'est «fini» : 3,5 % d'une Web-Seite.", "Qu'est-ce que c'est ?"],
    "de": ["Das ist z. B. ein \u201eTest\u201c, oder?", "Am 3. Mai <br> war's schön."],
}


def moses(language: str) -> Moses:
    """As moe-nmt-prepare asks for it."""
    pytest.importorskip("sacremoses")
    return Moses(language, "--subword moses-bpe", "--subword bpe")


def test_tokens_go_by_the_language() -> None:
    assert moses("en").corpus_tokens("It's  well-known\u00a0here.") == (
        "It &apos;s well @-@ known here ."
    )
    assert moses("fr").corpus_tokens("L'été.") == "L&apos; été ."
    assert moses("de").corpus_tokens("L'été.") == "L &apos; été ."
    assert moses("en").tokenize("well-known") == "well-known"
    assert moses("pt_BR").signature.startswith("moses-pt-sacremoses-")


@pytest.mark.parametrize("language", list(SENTENCES))
def test_as_fairseq_reads_and_writes(language: str) -> None:
    """So that fairseq-interactive --tokenizer moses reads text as the model was trained on it."""
    ours = moses(language)
    fairseq = importlib.import_module("fairseq.data.encoders.moses_tokenizer")
    theirs = fairseq.MosesTokenizer(
        fairseq.MosesTokenizerConfig(source_lang=language, target_lang=language)
    )
    for sentence in SENTENCES[language]:
        tokens = ours.corpus_tokens(sentence)
        assert tokens == theirs.encode(sentence)
        assert "  " not in tokens
        assert ours.detokenize(tokens) == theirs.decode(tokens)


def test_what_can_be_is_undone() -> None:
    english = moses("en")
    for sentence in ("It's a well-known fact, isn't it?", "Ben & Jerry [ice cream] pay $3,500."):
        assert english.detokenize(english.corpus_tokens(sentence)) == sentence


def test_mistakes(monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(UserError, match=r"no rules for the language src, only .*: take --subword"):
        moses("src")
    monkeypatch.setitem(sys.modules, "sacremoses", None)
    with pytest.raises(UserError, match=r"--subword moses-bpe needs the package sacremoses: pip"):
        moses("en")
