"""From files to a report: reads the systems, refuses what misleads, computes all that was asked."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from moe_nmt.evaluation.comet import Comet
from moe_nmt.evaluation.measures import Measure, measures
from moe_nmt.evaluation.perplexity import read_perplexity
from moe_nmt.evaluation.refusals import refuse_other_length
from moe_nmt.evaluation.report import Report, Row
from moe_nmt.evaluation.significance import compare
from moe_nmt.evaluation.systems import References, System
from moe_nmt.evaluation.tokenizers import tokenizer, usual
from moe_nmt.files.text import read_text


@dataclass(frozen=True)
class Request:
    """What is to be scored, and how.

    Args:
        systems: names, and a file for each run.
        references: files of the text as published.
        forced: for each system the files of fairseq-generate --score-reference; or nothing.
        tokenizer: one of TOKENIZERS, for multi-bleu; None: the language's usual one.
        of_sacrebleu: one of sacreBLEU's, for its BLEU; None: the language's usual one.
        language: of the translations.
        lowercase: whether case does not count.
        samples: of the paired bootstrap; 0 leaves the tests of significance out.
        trials: of approximate randomisation.
        comet: folder of a COMET model.
        source: what was translated, for COMET.
    """

    systems: Sequence[tuple[str, Sequence[Path]]]
    references: Sequence[Path]
    forced: Sequence[Sequence[Path]] = ()
    tokenizer: str | None = None
    of_sacrebleu: str | None = None
    language: str | None = None
    lowercase: bool = False
    samples: int = 0
    trials: int = 0
    comet: Path | None = None
    source: Path | None = None


def score(request: Request) -> Report:
    """Computes what was asked."""
    is_tokenized = request.tokenizer == "none"
    name = usual(request.language)
    tokenize = tokenizer(request.tokenizer or name, request.language)
    of_sacrebleu = request.of_sacrebleu or name
    references = References.read(request.references, is_tokenized)
    systems = [
        System.read(name, paths, references, is_tokenized) for name, paths in request.systems
    ]
    perplexities = [
        row
        for system, paths in zip(systems, request.forced, strict=bool(request.forced))
        for row in perplexity_rows(system.name, paths, references)
    ]
    wanted = measures(references.texts, tokenize, request.language, request.lowercase, of_sacrebleu)
    if request.comet is not None and request.source is not None:
        wanted.append(comet(request.comet, request.source, references))
    rows = [row for system in systems for row in rows_of(system, wanted)]
    significance = None
    if request.samples:
        significance = compare(
            [(system.name, system.runs[0]) for system in systems],
            references.texts,
            request.lowercase,
            request.samples,
            request.trials,
            of_sacrebleu,
        )
    return Report(
        [*rows, *perplexities],
        significance,
        len(references),
        [str(path) for path in references.paths],
    )


def comet(folder: Path, source: Path, references: References) -> Measure:
    """The model, with the text that was translated."""
    sources = list(read_text(source))
    refuse_other_length(source, sources, references.paths[0], references.texts[0])
    return Comet(folder, sources, references.texts[0])


def rows_of(system: System, wanted: Sequence[Measure]) -> Iterator[Row]:
    """A system by all measures."""
    for measure in wanted:
        scores = [measure.score(run) for run in system.runs]
        values, lines = [score.value for score in scores], [score.line for score in scores]
        yield Row(system.name, measure.name, measure.signature, values, lines)


def perplexity_rows(name: str, paths: Sequence[Path], references: References) -> list[Row]:
    """A system's perplexities; what a model reads it from is the same for all its runs."""
    runs = [read_perplexity(path, references) for path in paths]
    subwords = f"exp(-log P / {runs[0].subwords} subwords and sentence ends)"
    words = f"exp(-log P / {runs[0].words} words between white space and sentence ends)"
    return [
        Row(name, "perplexity per subword", subwords, [run.per_subword for run in runs]),
        Row(name, "perplexity per word", words, [run.per_word for run in runs]),
    ]
