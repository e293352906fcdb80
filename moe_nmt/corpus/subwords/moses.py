"""Moses' tokenizer.perl and detokenizer.perl in Python (sacremoses), by the rules of a language."""

from __future__ import annotations

from importlib.metadata import version

from moe_nmt.corpus.cleaning.languages import code_of
from moe_nmt.corpus.cleaning.normalise import normalise
from moe_nmt.errors import UserError

PACKAGE = "sacremoses"


class Moses:
    """Makes tokens between spaces of a language's text, and text of them."""

    def __init__(self, language: str, option: str, instead: str) -> None:
        """``option`` asked for it, ``instead`` does without it, which UserError tells the user.

        It is raised without the package, and for languages that it has no rules for.
        """
        try:
            from sacremoses import MosesDetokenizer, MosesTokenizer
            from sacremoses.corpus import NonbreakingPrefixes
        except ImportError as error:
            raise UserError(
                f"{option} needs the package {PACKAGE}: pip install {PACKAGE}, or take {instead}"
            ) from error
        code = code_of(language)
        known = sorted(set(NonbreakingPrefixes().available_langs.values()))
        if code not in known:  # which it would take for English
            raise UserError(
                f"Moses has no rules for the language {language}, only for "
                f"{', '.join(known)}: take {instead}"
            )
        self.tokenizer, self.detokenizer = MosesTokenizer(lang=code), MosesDetokenizer(lang=code)
        self.signature = f"moses-{code}-{PACKAGE}-{version(PACKAGE)}"

    def tokenize(self, sentence: str, splits_hyphens: bool = False) -> str:
        """The tokens, &, |, <, >, ', ", [ and ] in them escaped.

        ``splits_hyphens`` is tokenizer.perl's -a: ``a-b`` becomes ``a @-@ b``.
        """
        tokens: str = self.tokenizer.tokenize(
            sentence, aggressive_dash_splits=splits_hyphens, return_str=True
        )
        return tokens

    def corpus_tokens(self, sentence: str) -> str:
        """What a model reads, the same as of fairseq's ``--tokenizer moses``."""
        return self.tokenize(normalise(sentence), splits_hyphens=True)

    def detokenize(self, tokens: str) -> str:
        """Text of tokens, hyphens joined and nothing escaped."""
        text: str = self.detokenizer.detokenize(tokens.split())
        return text
