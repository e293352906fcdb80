"""The measures of translations, each with a label that says how it is computed."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Protocol

from sacrebleu.metrics.bleu import BLEU
from sacrebleu.metrics.chrf import CHRF

from moe_nmt.corpus.cleaning.languages import code_of
from moe_nmt.evaluation.compound_split import split_compounds
from moe_nmt.evaluation.multi_bleu import multi_bleu
from moe_nmt.evaluation.tokenizers import Tokenizer, sacre_bleu

Texts = Sequence[str]


@dataclass(frozen=True)
class Score:
    """A figure, and what it was made of."""

    value: float
    line: str = ""  # as multi-bleu.perl prints it


class Measure(Protocol):
    """Scores the translations of a corpus."""

    @property
    def name(self) -> str:
        """The row of the table."""

    @property
    def signature(self) -> str:
        """Everything that the figure depends on besides the text."""

    def score(self, hypotheses: Texts) -> Score:
        """Scores one run of a system."""


class TokenizedBleu:
    """multi-bleu.perl on text that we tokenise, hypotheses and references alike."""

    def __init__(
        self,
        references: Sequence[Texts],
        tokenizer: Tokenizer,
        lowercase: bool = False,
        compounds: bool = False,
    ) -> None:
        self.name = "multi-bleu, compounds split" if compounds else "multi-bleu"
        self.signature = bleu_signature(references, tokenizer, lowercase, compounds)
        self.lowercase = lowercase
        self.prepare: Callable[[str], str] = tokenizer.tokenize
        if compounds:
            self.prepare = lambda sentence: split_compounds(tokenizer.tokenize(sentence))
        self.references = [[*map(self.prepare, reference)] for reference in references]

    def score(self, hypotheses: Texts) -> Score:
        """BLEU and multi-bleu's line."""
        bleu = multi_bleu([*map(self.prepare, hypotheses)], self.references, self.lowercase)
        return Score(bleu.score, str(bleu))


def bleu_signature(
    references: Sequence[Texts], tokenizer: Tokenizer, lowercase: bool, compounds: bool = False
) -> str:
    """What tokenised BLEU depends on, in the form of sacreBLEU's signatures."""
    case = "lc" if lowercase else "mixed"
    split = "split" if compounds else "whole"
    return (
        f"nrefs:{len(references)}|case:{case}|tok:{tokenizer.signature}|compounds:{split}"
        "|smooth:none"
    )


class SacreMeasure:
    """A metric of sacreBLEU's that has its references."""

    def __init__(self, name: str, metric: BLEU | CHRF) -> None:
        self.name, self.metric = name, metric
        self.signature = metric.get_signature().format()

    def score(self, hypotheses: Texts) -> Score:
        """The score that the command ``sacrebleu`` prints."""
        return Score(self.metric.corpus_score(hypotheses, None).score)


def sacre_metrics(
    references: Sequence[Texts], lowercase: bool, tokenizer: str = "13a"
) -> dict[str, BLEU | CHRF]:
    """BLEU and chrF as the command ``sacrebleu`` computes them, by row."""
    return {
        "sacreBLEU": sacre_bleu(tokenizer, lowercase=lowercase, references=references),
        "chrF2": CHRF(lowercase=lowercase, references=references),
    }


def measures(
    references: Sequence[Texts],
    tokenizer: Tokenizer,
    language: str | None,
    lowercase: bool,
    of_sacrebleu: str = "13a",
) -> list[Measure]:
    """The rows of the table: with German also compounds split, with text also sacreBLEU's.

    ``of_sacrebleu`` is the tokenizer of sacreBLEU's BLEU.
    """
    rows: list[Measure] = [TokenizedBleu(references, tokenizer, lowercase)]
    if language is not None and code_of(language) == "de":
        rows.append(TokenizedBleu(references, tokenizer, lowercase, compounds=True))
    if tokenizer.signature != "none":
        metrics = sacre_metrics(references, lowercase, of_sacrebleu)
        rows.extend(SacreMeasure(name, metric) for name, metric in metrics.items())
    return rows
