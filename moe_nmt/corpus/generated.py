"""Takes the translations out of what fairseq-generate printed."""

from __future__ import annotations

import re
from pathlib import Path

from moe_nmt.corpus.files import count_lines, read_text, write_lines
from moe_nmt.corpus.subword import undo

HYPOTHESIS = re.compile(r"H-(\d+)\t[^\t]*\t(.*)", re.DOTALL)


def best_hypotheses(generated: Path) -> dict[int, str]:
    """The first, that is best, hypothesis of each sentence: its number -> its subwords."""
    best: dict[int, str] = {}
    for line in read_text(generated):
        if match := HYPOTHESIS.fullmatch(line):
            best.setdefault(int(match[1]), match[2])
    return best


def write_translations(generated: Path, source: Path, output: Path) -> int:
    """Writes the translations as text in the order of the source, whose lines it counts."""
    best = best_hypotheses(generated)
    expected = count_lines(source)
    if sorted(best) != list(range(expected)):
        raise SystemExit(
            f"moe_nmt: {generated} has translations of {len(best)} sentences but {source} has "
            f"{expected} lines: translate the whole of that file again"
        )
    return write_lines(output, (undo(best[number]) for number in range(expected)))
