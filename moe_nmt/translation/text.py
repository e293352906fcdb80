"""What lies between raw text and the pieces of a dictionary, at both ends of a model."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from moe_nmt.corpus.cleaning.normalise import normalise
from moe_nmt.corpus.subwords.moses import Moses
from moe_nmt.corpus.subwords.pieces import Pieces
from moe_nmt.corpus.subwords.subword import Segmenter


@dataclass(frozen=True)
class SourceText:
    """Makes pieces of raw text."""

    pieces: Pieces
    segmenter: Segmenter | None  # None: words
    moses: Moses | None  # None: the text has its tokens between spaces, or is of sentences

    def read(self, text: str) -> list[str]:
        """The pieces of one sentence; of a blank one none."""
        sentence = normalise(text) if self.moses is None else self.moses.corpus_tokens(text)
        return sentence.split() if self.segmenter is None else self.segmenter.best(sentence)


@dataclass(frozen=True)
class TargetText:
    """Makes raw text of pieces."""

    pieces: Pieces
    moses: Moses | None

    def write(self, pieces: Sequence[str]) -> str:
        """One sentence, its words between single spaces."""
        words = " ".join(self.pieces.words(pieces))
        return words if self.moses is None else self.moses.detokenize(words)
