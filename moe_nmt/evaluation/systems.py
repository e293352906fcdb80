"""The translations to score: systems, each of one or several runs (seeds), and the references."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from moe_nmt.corpus.sources.sgm import sentences_of
from moe_nmt.errors import UserError
from moe_nmt.evaluation.generated import Hypothesis, best_hypotheses, joined, refuse_missing
from moe_nmt.evaluation.refusals import (
    refuse_empty,
    refuse_other_length,
    refuse_other_text,
    refuse_subwords,
    refuse_tokenized,
    refuse_tokenized_on_one_side,
)


@dataclass(frozen=True)
class References:
    """One or more translations of the same text by people."""

    paths: Sequence[Path]
    texts: Sequence[Sequence[str]]

    @classmethod
    def read(cls, paths: Sequence[Path], tokenized: bool) -> References:
        """Reads and checks them; ``tokenized`` files are for multi-bleu alone."""
        texts = [sentences_of(path) for path in paths]
        for path, lines in zip(paths, texts, strict=True):
            refuse_empty(path, lines)
            refuse_other_length(path, lines, paths[0], texts[0])
            refuse_subwords(path, lines)
            if not tokenized:
                refuse_tokenized(path, lines)
        return cls(paths, texts)

    def __len__(self) -> int:
        """How many sentences."""
        return len(self.texts[0])


@dataclass(frozen=True)
class System:
    """What one system wrote in each of its runs."""

    name: str
    runs: Sequence[Sequence[str]]

    @classmethod
    def read(
        cls, name: str, paths: Sequence[Path], references: References, tokenized: bool
    ) -> System:
        """Reads and checks its files: text, or what fairseq-generate wrote."""
        return cls(name, [read_run(path, references, tokenized) for path in paths])


def generated_file(path: Path) -> Path:
    """The file that fairseq-generate wrote to a folder, or the file itself."""
    if not path.is_dir():
        return path
    found = sorted(path.glob("generate-*.txt"))
    if len(found) != 1:
        names = ", ".join(file.name for file in found) or "no generate-SPLIT.txt"
        raise UserError(f"{path} holds {names}: name one file of fairseq-generate's")
    return found[0]


def read_run(path: Path, references: References, tokenized: bool) -> list[str]:
    """The sentences of one file, in the order of the references."""
    path = generated_file(path)
    reference_path, reference = references.paths[0], references.texts[0]
    if best := best_hypotheses(path):
        refuse_other_sentences(path, best, references)
        lines = joined(best[number].text for number in range(len(reference)))
    else:
        lines = sentences_of(path)
    refuse_empty(path, lines)
    refuse_other_length(path, lines, reference_path, reference)
    refuse_subwords(path, lines, reference)
    if tokenized:
        refuse_tokenized_on_one_side(path, lines, reference_path, reference)
    else:
        refuse_tokenized(path, lines)
    return lines


def refuse_other_sentences(
    path: Path, hypotheses: Mapping[int, Hypothesis], references: References
) -> None:
    """Stops unless fairseq-generate has read these references, of which none may be missing."""
    expected = len(references)
    refuse_missing(path, hypotheses, references.paths[0], expected)
    targets = joined(hypotheses[number].target for number in range(expected))
    refuse_other_text(path, targets, references.paths[0], references.texts[0])
