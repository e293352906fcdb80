"""Length and coverage penalties tried on n-best lists, without decoding again.

Of each sentence's list the best by GNMT's score is taken; ``penalties.py`` has the formula.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from moe_nmt.errors import UserError
from moe_nmt.evaluation.generated import Hypothesis, joined, probabilities, read_hypotheses
from moe_nmt.evaluation.multi_bleu import ORDER, MultiBleu, sentence_statistics
from moe_nmt.evaluation.penalties import coverage_logarithm, length_penalty
from moe_nmt.evaluation.refusals import refuse_subwords, refuse_tokenized
from moe_nmt.evaluation.systems import References, refuse_other_sentences
from moe_nmt.evaluation.tokenizers import Tokenizer


@dataclass(frozen=True)
class NBest:
    """The lists of a corpus: at most n hypotheses of each sentence.

    Args:
        log_p: ln P(Y | X), -inf where a list is shorter than the longest: [sentences, n].
        lengths: |Y|, with the end of the sentence: [sentences, n].
        coverage: cp / beta, which is 0 or less: [sentences, n].
        statistics: for BLEU, of multi_bleu.sentence_statistics: [sentences, n, 10].
    """

    log_p: NDArray[np.float64]
    lengths: NDArray[np.int64]
    coverage: NDArray[np.float64]
    statistics: NDArray[np.int64]

    def chosen(self, alpha: float, beta: float) -> NDArray[np.intp]:
        """Which hypothesis of each list is best, of equal ones the first: [sentences]."""
        scores = self.log_p / length_penalty(self.lengths, alpha) + beta * self.coverage
        return scores.argmax(axis=1)

    def bleu(self, chosen: NDArray[np.intp]) -> MultiBleu:
        """BLEU of one hypothesis of each list."""
        return MultiBleu.of(self.statistics[np.arange(len(chosen)), chosen].sum(axis=0))

    def as_decoded(self) -> MultiBleu:
        """BLEU of the first of each list, as the decoder sorted them."""
        return self.bleu(np.zeros(len(self.log_p), dtype=np.intp))


def coverage(attention: NDArray[np.float64]) -> float:
    """sum_i ln min(sum_j p_ij, 1) from p: [target words, source words]."""
    return float(coverage_logarithm(attention.sum(axis=0), np.log).sum())


def read_n_best(
    generated: Path,
    references: References,
    tokenizer: Tokenizer,
    lowercase: bool,
    with_coverage: bool,
) -> NBest:
    """Reads what ``fairseq-generate --nbest N --print-alignment soft`` wrote."""
    counts: Counter[int] = Counter()
    best: dict[int, Hypothesis] = {}
    places, summaries, texts = [], [], []
    for hypothesis in read_hypotheses(generated):
        places.append((hypothesis.sentence, counts[hypothesis.sentence]))
        summaries.append(summary(generated, hypothesis, with_coverage))
        texts.append(hypothesis.text)
        counts[hypothesis.sentence] += 1
        best.setdefault(hypothesis.sentence, replace(hypothesis, attention=""))
    refuse_other_sentences(generated, best, references)
    if (n := max(counts.values())) == 1:
        raise UserError(
            f"{generated} has one translation of each sentence, nothing to choose from: "
            "make it with fairseq-generate --beam 8 --nbest 8"
        )
    texts = joined(texts)
    refuse_subwords(generated, texts, references.texts[0])
    if tokenizer.signature != "none":
        refuse_tokenized(generated, texts)
    tokenized = [[*map(tokenizer.tokenize, reference)] for reference in references.texts]
    shape = len(references), n
    n_best = NBest(
        log_p=np.full(shape, -np.inf),
        lengths=np.ones(shape, dtype=np.int64),
        coverage=np.zeros(shape),
        statistics=np.zeros((*shape, 2 + 2 * ORDER), dtype=np.int64),
    )
    for place, (log_p, length, covered), text in zip(places, summaries, texts, strict=True):
        n_best.log_p[place], n_best.lengths[place], n_best.coverage[place] = log_p, length, covered
        n_best.statistics[place] = sentence_statistics(
            tokenizer.tokenize(text), [reference[place[0]] for reference in tokenized], lowercase
        )
    return n_best


def summary(
    generated: Path, hypothesis: Hypothesis, with_coverage: bool
) -> tuple[float, int, float]:
    """ln P, length and coverage of a hypothesis."""
    log_p = probabilities(generated, hypothesis)
    covered = 0.0
    if with_coverage:
        try:
            covered = coverage(hypothesis.attention_matrix())
        except ValueError as error:
            raise UserError(
                f"{generated} has no soft attention of sentence {hypothesis.sentence}: "
                "give fairseq-generate --print-alignment soft, or leave coverage out by --beta 0"
            ) from error
    return float(log_p.sum()), len(log_p), covered
