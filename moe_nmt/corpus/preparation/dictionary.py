"""fairseq's dictionary of the subwords in some files, as fairseq-preprocess would make it."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path

from moe_nmt.files.parallel import ordered_map
from moe_nmt.files.progress import Progress
from moe_nmt.files.text import read_blocks, read_text, write_lines

SPECIAL = ("<s>", "<pad>", "</s>", "<unk>")  # numbers 0 to 3, in every dictionary and no file
END, UNKNOWN = 2, 3
MULTIPLE = 8  # fairseq pads dictionaries to one
BLOCK = 20_000  # lines


def count_subwords(block: tuple[list[bytes], ...]) -> tuple[int, Counter[bytes]]:
    """The number of lines and how often each subword occurs in them."""
    (lines,) = block
    return len(lines), Counter(b" ".join(lines).split())


def build_dictionary(texts: Sequence[Path], size: int, output: Path, workers: int) -> int:
    """Writes a dictionary of at most ``size`` subwords, the most frequent ones of all texts.

    Returns how many there are, without what fairseq adds.
    """
    counts: Counter[bytes] = Counter()
    for path in texts:
        with Progress(f"counting the subwords of {path.name}", "lines") as progress:
            for lines, counted in ordered_map(count_subwords, read_blocks([path], BLOCK), workers):
                counts.update(counted)
                progress.add(lines)
    words = {word.decode("utf-8"): count for word, count in counts.items()}
    for word in SPECIAL:
        words.pop(word, None)
    # by frequency; equally frequent ones by their characters' code points
    chosen = sorted(sorted(words), key=words.__getitem__, reverse=True)[:size]
    missing = -(len(SPECIAL) + len(chosen)) % MULTIPLE
    padding = [f"madeupword{number:04d} 0" for number in range(missing)]
    write_lines(output, [*(f"{word} {words[word]}" for word in chosen), *padding])
    return len(chosen)


def read_dictionary(path: Path) -> Mapping[bytes, int]:
    """Subword -> number."""
    words = [line.rsplit(" ", 1)[0] for line in read_text(path)]
    return {word.encode("utf-8"): number for number, word in enumerate([*SPECIAL, *words])}
