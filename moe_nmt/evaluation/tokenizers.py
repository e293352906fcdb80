"""The tokenizers for tokenised BLEU, by name: hypotheses and references go through the same one."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import sacrebleu
from sacrebleu.tokenizers.tokenizer_13a import Tokenizer13a
from sacrebleu.tokenizers.tokenizer_intl import TokenizerV14International

from moe_nmt.corpus.subwords.moses import Moses
from moe_nmt.errors import UserError

TOKENIZERS = ("13a", "intl", "moses", "none")


@dataclass(frozen=True)
class Tokenizer:
    """A tokenizer and what scores say of it: its name, language and version."""

    signature: str
    tokenize: Callable[[str], str]


def tokenizer(name: str, language: str | None = None) -> Tokenizer:
    """One of TOKENIZERS; "none" takes the text as tokenised already.

    Raises:
        UserError: for Moses' without a language or without the package sacremoses.
    """
    if name == "none":
        return Tokenizer("none", str)
    if name == "moses":
        return moses(language)
    tokenize = {"13a": Tokenizer13a, "intl": TokenizerV14International}[name]()
    return Tokenizer(f"{name}-sacrebleu-{sacrebleu.__version__}", tokenize)


def moses(language: str | None) -> Tokenizer:
    """Moses' tokenizer.perl in Python (sacremoses), which splits and escapes by its language."""
    if language is None:
        raise UserError(
            "--tokenizer moses needs --language, that of the translations: Moses splits "
            "French and German by different rules"
        )
    program = Moses(language, "--tokenizer moses", "--tokenizer 13a")
    return Tokenizer(program.signature, program.tokenize)
