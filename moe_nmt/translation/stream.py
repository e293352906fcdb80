"""A stream of raw lines through a model, line for line, in windows of bounded size."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field
from itertools import islice
from typing import Any

from moe_nmt.files.progress import Progress
from moe_nmt.translation.answer import Answer
from moe_nmt.translation.text_model import MAX_TOKENS, TextModel
from moe_nmt.translation.windows import WholeWrites, lines_left, windows

WINDOW = 2000  # lines that are sorted by length, at most
MANY = 0.2  # of the words of a text, unknown
FEW_WORDS = 50  # too few to judge by


@dataclass(frozen=True)
class Columns:
    """What is written for a line.

    The text alone; or columns between tabs: the line's number with ``nbest``, the score, the text,
    the alignment as pairs such as 0-0; or all of that as JSON.
    """

    nbest: int = 1
    scores: bool = False
    alignment: bool = False
    json: bool = False

    def lines(self, number: int, answer: Answer) -> Iterator[str]:
        """One line, or one for each of the n best; ``number`` counts from 1."""
        if self.json:
            yield json.dumps({"line": number, **answer.as_json()}, ensure_ascii=False)
            return
        for hypothesis in islice(answer.hypotheses, self.nbest):
            yield "\t".join(self.row(number, hypothesis))

    def row(self, number: int, hypothesis: Any) -> list[str]:
        """The columns."""
        row = [str(number)] if self.nbest > 1 else []
        row += [f"{hypothesis.score:.4f}"] if self.scores else []
        row.append(hypothesis.text)
        if self.alignment:
            row.append(" ".join(f"{source}-{target}" for source, target in hypothesis.alignment))
        return row


@dataclass(frozen=True)
class Options:
    """How a stream is answered."""

    columns: Columns = Columns()
    window: int = WINDOW
    max_tokens: int = MAX_TOKENS
    split_longer_than: int | None = None  # None: never
    search: dict[str, Any] = field(default_factory=dict)  # fields of the model's settings


@dataclass
class Found:
    """What is said of a text when it is over."""

    bad_lines: int = 0
    words: int = 0
    unknown: int = 0
    has_long: bool = False

    def decode(self, line: bytes, number: int) -> str:
        """A line as text, whatever bytes it has."""
        try:
            return line.decode("utf-8")
        except UnicodeDecodeError:
            self.bad_lines += 1
            if self.bad_lines == 1:
                warn(f"line {number} is not UTF-8: what cannot be read in it is taken as U+FFFD")
            return line.decode("utf-8", errors="replace")

    def tell_of_long(self, texts: Sequence[str], first: int, long: float) -> None:
        """Warns, once, of a line that takes long; ``first`` is the number of the first text."""
        for number, text in enumerate(texts, start=first):
            if len(text) > long and not self.has_long:
                self.has_long = True
                warn(
                    f"line {number} has {len(text):,} characters and may take long: "
                    "--split-longer-than 200 cuts it where sentences end"
                )

    def report(self, language: str) -> None:
        """Warns of what the user should know; ``language`` is what the text should be in."""
        if self.bad_lines > 1:
            warn(f"{self.bad_lines} lines were not UTF-8")
        if self.words >= FEW_WORDS and self.unknown > MANY * self.words:
            warn(
                f"the model does not know {self.unknown / self.words:.0%} of the subwords of this "
                f"text: is it in the model's {language}, raw, neither tokenised nor segmented?"
            )


def warn(text: str) -> None:
    """On the standard error, which is not the translation."""
    print(f"moe_nmt: {text}", file=sys.stderr, flush=True)


def answer_stream(
    model: TextModel[Any, Any], source: int, output: int, writes: WholeWrites, options: Options
) -> None:
    """Answers all lines of a file descriptor on another one.

    Args:
        model: does it.
        source: read as UTF-8.
        output: gets as many lines as there are in the source, in their order.
        writes: keeps lines whole when a signal comes.
        options: how.

    Raises:
        LimitError: an option is outside its limits, or not of such a model.
    """
    columns, asked = options.columns, dict(options.search)
    if options.split_longer_than is not None:
        asked["split_longer_than"] = options.split_longer_than
    model.settings.refuse_others([*asked, *(["alignment"] if columns.alignment else [])])
    found, number = Found(), 0
    with ExitStack() as stack:
        progress = None
        if not sys.stdin.isatty() and not sys.stdout.isatty():
            progress = stack.enter_context(
                Progress(model.doing, "sentences", lines_left(source))
            ).add
        for window in windows(source, options.window):
            texts = [found.decode(line, number + i) for i, line in enumerate(window, start=1)]
            if options.split_longer_than is None:
                found.tell_of_long(texts, number + 1, model.long)
            answers = model.answer(
                texts,
                number,
                nbest=columns.nbest,
                max_tokens=options.max_tokens,
                progress=progress,
                **asked,
            )
            lines: list[str] = []
            for answer in answers:
                number += 1
                lines += columns.lines(number, answer)
                found.words += len(answer.source_pieces)
                found.unknown += model.unknown(answer)
            writes.write(output, "".join(f"{line}\n" for line in lines).encode("utf-8"))
    found.report(model.language)
