"""The tokenizers of BLEU, by name: hypotheses and references go through the same one."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import sacrebleu
from sacrebleu.metrics.bleu import BLEU

from moe_nmt.corpus.cleaning.languages import code_of
from moe_nmt.corpus.subwords.moses import Moses
from moe_nmt.errors import UserError

# sacreBLEU's own, for its BLEU and for multi-bleu.
OF_SACREBLEU = (
    "13a",
    "intl",
    "zh",
    "ja-mecab",
    "ko-mecab",
    "char",
    "flores101",
    "flores200",
    "spm",
)
TOKENIZERS = (*OF_SACREBLEU, "moses", "none")
# Of languages that have no spaces between words, or agglutinate: sacreBLEU's choice if it has one.
USUAL = {
    "zh": "zh",
    "ja": "ja-mecab",
    "ko": "ko-mecab",
    **dict.fromkeys(("th", "lo", "km", "my", "bo"), "char"),
}


@dataclass(frozen=True)
class Tokenizer:
    """A tokenizer and what scores say of it: its name, language and version."""

    signature: str
    tokenize: Callable[[str], str]


def usual(language: str | None) -> str:
    """The tokenizer by which translations into a language are scored: 13a but for a few."""
    return USUAL.get(code_of(language), "13a") if language else "13a"


def tokenizer(name: str, language: str | None = None) -> Tokenizer:
    """One of TOKENIZERS; "none" takes the text as tokenised already.

    Raises:
        UserError: for Moses' without a language, or without the package that a tokenizer needs.
    """
    if name == "none":
        return Tokenizer("none", str)
    if name == "moses":
        return moses(language)
    tokenize: Callable[[str], str] = sacre_bleu(name).tokenizer
    return Tokenizer(f"{name}-sacrebleu-{sacrebleu.__version__}", tokenize)


def sacre_bleu(tokenizer: str, **options: Any) -> BLEU:
    """sacreBLEU's BLEU with one of its tokenizers.

    Raises:
        UserError: the tokenizer needs a package, or a download, that is missing.
    """
    try:
        return BLEU(tokenize=tokenizer, **options)
    except Exception as error:  # of what kind depends on the tokenizer
        package = f"sacrebleu[{tokenizer.partition('-')[0]}]"
        needed = f"pip install '{package}'" if "mecab" in tokenizer else "a download, once"
        raise UserError(
            f"sacreBLEU's tokenizer {tokenizer} needs {needed}: do that, or take another one, "
            "char, say, by --tokenizer and --sacrebleu-tokenizer"
        ) from error


def moses(language: str | None) -> Tokenizer:
    """Moses' tokenizer.perl in Python (sacremoses), which splits and escapes by its language."""
    if language is None:
        raise UserError(
            "--tokenizer moses needs --language, that of the translations: Moses splits "
            "French and German by different rules"
        )
    program = Moses(language, "--tokenizer moses", "--tokenizer 13a")
    return Tokenizer(program.signature, program.tokenize)
