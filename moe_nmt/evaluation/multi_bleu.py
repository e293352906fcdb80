"""Tokenised BLEU as Moses' multi-bleu.perl computes and prints it (Papineni et al. 2002).

BLEU = BP exp(1/4 sum_n log p_n), n = 1..4; p_n = n-grams of the hypotheses that a reference has too
(an n-gram at most as often as the reference that has it most often) / all of theirs, over the whole
corpus, without smoothing; BP = 1 or, where the hypotheses are shorter, exp(1 - r / c), c words of
hypotheses and r of references, of each sentence's references the closest in length, of two as close
the shorter.

Like Perl, it works on bytes: words are what ASCII white space separates, and ``-lc`` lower-cases
ASCII letters alone.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

ORDER = 4


@dataclass(frozen=True)
class MultiBleu:
    """BLEU of a corpus from its sums.

    Args:
        lengths: words of the hypotheses and of the references.
        correct: n-grams that the references have too, for n = 1..4.
        total: n-grams of the hypotheses.
    """

    lengths: tuple[int, int]
    correct: tuple[int, ...]
    total: tuple[int, ...]

    @classmethod
    def of(cls, statistics: NDArray[np.int64]) -> MultiBleu:
        """From the sum of sentence_statistics over the corpus: [2 + 2 ORDER]."""
        hypothesis, reference, *counts = statistics.tolist()
        return cls((hypothesis, reference), tuple(counts[:ORDER]), tuple(counts[ORDER:]))

    @property
    def precisions(self) -> list[float]:
        """p_n for n = 1..4; 0 where there are no n-grams."""
        pairs = zip(self.correct, self.total, strict=True)
        return [correct / total if total else 0.0 for correct, total in pairs]

    @property
    def brevity_penalty(self) -> float:
        """1, or less where the hypotheses are shorter than the references."""
        hypothesis, reference = self.lengths
        if hypothesis >= reference:
            return 1.0
        return math.exp(1 - reference / hypothesis) if hypothesis else 0.0

    @property
    def score(self) -> float:
        """BLEU, 0 to 100."""
        if not all(self.precisions):
            return 0.0
        mean = sum(map(math.log, self.precisions)) / ORDER
        return 100 * self.brevity_penalty * math.exp(mean)

    def __str__(self) -> str:
        """The line that multi-bleu.perl prints."""
        hypothesis, reference = self.lengths
        if reference == 0:
            return "BLEU = 0, 0/0/0/0 (BP=0, ratio=0, hyp_len=0, ref_len=0)"
        precisions = "/".join(f"{100 * precision:.1f}" for precision in self.precisions)
        return (
            f"BLEU = {self.score:.2f}, {precisions} (BP={self.brevity_penalty:.3f}, "
            f"ratio={hypothesis / reference:.3f}, hyp_len={hypothesis}, ref_len={reference})"
        )


def n_grams(words: list[bytes]) -> Counter[tuple[bytes, ...]]:
    """How often each sequence of 1 to 4 words occurs."""
    return Counter(
        tuple(words[start : start + n])
        for n in range(1, ORDER + 1)
        for start in range(len(words) - n + 1)
    )


def sentence_statistics(
    hypothesis: str, references: Sequence[str], lowercase: bool = False
) -> NDArray[np.int64]:
    """Words of hypothesis and reference, correct n-grams, all n-grams: [2 + 2 ORDER]."""

    def split(sentence: str) -> list[bytes]:
        line = sentence.encode("utf-8")
        return (line.lower() if lowercase else line).split()

    words = split(hypothesis)
    most: Counter[tuple[bytes, ...]] = Counter()
    lengths = []
    for reference in references:
        reference_words = split(reference)
        lengths.append(len(reference_words))
        most |= n_grams(reference_words)
    closest = min(lengths, key=lambda length: (abs(length - len(words)), length))
    statistics = np.zeros(2 + 2 * ORDER, dtype=np.int64)
    statistics[:2] = len(words), closest
    for n_gram, count in n_grams(words).items():
        statistics[1 + len(n_gram)] += min(count, most[n_gram])
        statistics[1 + ORDER + len(n_gram)] += count
    return statistics


def multi_bleu(
    hypotheses: Sequence[str], references: Sequence[Sequence[str]], lowercase: bool = False
) -> MultiBleu:
    """BLEU of tokenised sentences.

    Args:
        hypotheses: one for each sentence.
        references: one or more translations of the whole corpus.
        lowercase: the option ``-lc``.
    """
    statistics = np.zeros(2 + 2 * ORDER, dtype=np.int64)
    for hypothesis, *sentence in zip(hypotheses, *references, strict=True):
        statistics += sentence_statistics(hypothesis, sentence, lowercase)
    return MultiBleu.of(statistics)
