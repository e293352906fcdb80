"""Perplexity of the references, from ``fairseq-generate --score-reference``.

That command lets the model read each reference word by word and prints the probability of every
subword, the end of the sentence included.  The same lines under a translation that was searched for
tell how sure the model is of its own words, which is no measure of quality: they are refused.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from pathlib import Path

from moe_nmt.errors import UserError
from moe_nmt.evaluation.generated import best_hypotheses, probabilities
from moe_nmt.evaluation.systems import References, generated_file, refuse_other_sentences


@dataclass(frozen=True)
class Perplexity:
    """What a model thinks of the references.

    Args:
        log_p: ln P of all references.
        subwords: how many, with one end for each sentence.
        words: the same of words between white space in the text.
    """

    log_p: float
    subwords: int
    words: int

    @property
    def per_subword(self) -> float:
        """The paper's; comparable between models of the same subwords only."""
        return math.exp(-self.log_p / self.subwords)

    @property
    def per_word(self) -> float:
        """Comparable between models of different subwords."""
        return math.exp(-self.log_p / self.words)


def read_perplexity(path: Path, references: References) -> Perplexity:
    """Adds up a file of ``fairseq-generate --score-reference``."""
    path = generated_file(path)
    log_p, subwords = 0.0, 0
    best = best_hypotheses(path)
    refuse_other_sentences(path, best, references)
    for hypothesis in best.values():
        if hypothesis.pieces != hypothesis.target.replace("<<unk>>", "<unk>"):
            raise UserError(
                f"{path} holds translations, whose probabilities are no perplexity: make "
                "it with fairseq-generate --score-reference"
            )
        values = probabilities(path, hypothesis)
        log_p += float(values.sum())
        subwords += len(values)
    words = sum(len(line.split()) + 1 for line in references.texts[0])
    return Perplexity(log_p, subwords, words)
