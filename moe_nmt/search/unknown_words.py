"""Unknown words of a translation are replaced by the source words they attend to (--replace-unk).

The source is read with every word of its own: words that the model does not know get numbers beyond
its vocabulary.  So they can be copied as they were written.

fairseq's own replacement, after the search, fails on any unknown word: it takes its alignments for
numbers of source words, and the option without a file for one named "@@ ".  Here it finds nothing
left to do.
"""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

from fairseq import utils
from fairseq.data import Dictionary
from fairseq.data.indexed_dataset import IndexedRawTextDataset
from torch import Tensor

from moe_nmt.errors import UserError, reason_of

COPY = "@@ "  # what fairseq makes of the option without a file


def word_translations(replace_unk: str | None) -> dict[str, str] | None:
    """The dictionary that --replace-unk names: a source word and its translation on a line.

    Takes the place of fairseq's ``load_align_dict``: None without the option, an empty dictionary
    where source words are to be copied.
    """
    if replace_unk is None:
        return None
    if replace_unk in {"", COPY}:
        return {}
    try:
        lines = Path(replace_unk).read_text(encoding="utf-8").splitlines()
    except (OSError, UnicodeDecodeError) as error:
        raise UserError(f"--replace-unk {replace_unk}: {reason_of(error)}") from error
    pairs = [line.split() for line in lines if line.strip()]
    if bad := next((pair for pair in pairs if len(pair) != 2), None):
        raise UserError(
            f"--replace-unk {replace_unk}: a line has to be a word and its translation, "
            f"not {' '.join(bad)!r}"
        )
    return dict(pairs)


def read_option() -> None:
    """Lets fairseq's commands read the option --replace-unk as it is meant."""
    utils.load_align_dict = word_translations


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
