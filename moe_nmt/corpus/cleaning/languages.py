"""Finds sentences that are surely not in the language they should be in, by the package eldc.

The package brings its model, of 60 languages.  Its verdict counts only where the model itself calls
it reliable, the sentence is not too short, and the language that it should be is not close behind:
names, numbers and headings stay, and so does Norwegian that may be Danish.
"""

from __future__ import annotations

from collections.abc import Sequence

import langcodes

from moe_nmt.errors import UserError

PACKAGE = "eldc"
LEAST_BYTES = 20  # of a sentence in UTF-8: of the letters of all scripts, about four words
MARGIN = 0.1  # between the scores, which are at most 1, of a wrong language and of the right one
MOST_SCORES = 20  # languages that the model ranks


def code_of(language: str) -> str:
    """The code that tools know a language by: ``pt`` of ``pt_BR``, ``de`` of ``DEU``.

    What is no language's code, as the ending of a file may be, stays as it is.
    """
    try:
        code: str = langcodes.get(language).language or language
    except langcodes.LanguageTagError:
        return language.lower()
    return "zh" if code == "cmn" else code  # Mandarin is what is meant


class Languages:
    """The languages of all sides."""

    def __init__(self, names: Sequence[str]) -> None:
        """Raises UserError without the package, or for languages that its model does not know."""
        try:
            import eldc
        except ImportError as error:
            raise UserError(
                f"--identify-languages needs the package {PACKAGE}: pip install "
                f"{PACKAGE}, or leave the option out"
            ) from error
        self.codes = [*map(code_of, names)]
        for name, code in zip(names, self.codes, strict=True):
            if code not in eldc.LANGUAGES:
                raise UserError(
                    f"--identify-languages does not know {name}, only "
                    f"{', '.join(sorted(eldc.LANGUAGES))}: name them with --languages, or leave "
                    "the option out"
                )
        eldc.init()
        self.model = eldc.instance()
        self.model.set_scores(MOST_SCORES)

    def are_right(self, pair: list[str]) -> bool:
        """Whether no side of a pair is surely in another language."""
        return not any(map(self.is_wrong, pair, self.codes))

    def is_wrong(self, sentence: str, code: str) -> bool:
        """Whether a sentence is surely in another language."""
        if len(sentence.encode("utf-8")) < LEAST_BYTES:
            return False
        found = self.model.detect_details(sentence)
        if found.language == code or not found.reliable:
            return False
        scores = found.scores
        return bool(scores[found.language] - scores.get(code, 0.0) > MARGIN)
