"""Unknown words of a translation are replaced by the source words they attend to (--replace-unk).

The source is read with every word of its own: words that the model does not know get numbers beyond
its vocabulary.  So they can be copied as they were written.
"""

from __future__ import annotations

from collections.abc import Iterable

from fairseq.data import Dictionary
from fairseq.data.indexed_dataset import IndexedRawTextDataset
from torch import Tensor


class UnknownWords:
    """Replaces unknown words.

    Args:
        source: the source dictionary; ``add`` adds words to it.
        target: the target dictionary; ``replace`` adds words to it.
        translations: of source words; others are copied.
    """

    def __init__(
        self, source: Dictionary, target: Dictionary, translations: dict[str, str]
    ) -> None:
        self.source = source
        self.target = target
        self.translations = translations
        self.known = len(source)

    def add(self, lines: Iterable[str]) -> None:
        """Gives numbers to the unknown words of a text that is about to be read."""
        for line in lines:
            self.source.encode_line(line, add_if_not_exist=True)

    def read_again(self, dataset: IndexedRawTextDataset) -> None:
        """Reads a data set's text once more, now with its unknown words."""
        dataset.tokens_list = [
            self.source.encode_line(line, add_if_not_exist=True).long() for line in dataset.lines
        ]

    def as_unknown(self, tokens: Tensor) -> Tensor:
        """Source tokens of any shape, as the model knows them."""
        return tokens.masked_fill(tokens >= self.known, self.source.unk())

    def replace(self, tokens: Tensor, attention: Tensor, source: Tensor) -> Tensor:
        """A translation without unknown words.

        Args:
            tokens: [target] int64.
            attention: [target, source].
            source: [source] int64, its end of sentence last.
        """
        tokens = tokens.clone()
        for position in tokens.eq(self.target.unk()).nonzero()[:, 0].tolist():
            word = self.target.unk_string()
            if source.numel() > 1:
                word = self.source[int(source[attention[position, :-1].argmax()])]
                word = self.translations.get(word, word)
            if word == self.target.unk_string():  # which fairseq would try to replace
                word = self.target.unk_string(escape=True)
            tokens[position] = self.target.add_symbol(word)
        return tokens
