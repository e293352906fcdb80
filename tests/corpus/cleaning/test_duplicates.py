"""Duplicates beside a set in memory, with one bucket and with many."""

from __future__ import annotations

import hashlib
import random
import tracemalloc
from pathlib import Path

import numpy as np
import pytest

from moe_nmt.corpus.cleaning import duplicates
from moe_nmt.corpus.cleaning.clean import DIGEST_SIZE
from moe_nmt.corpus.cleaning.duplicates import ENTRY, first_occurrences, merge
from moe_nmt.errors import UserError

Pairs = list[tuple[str, str]]


def write(folder: Path, name: str, pairs: Pairs) -> tuple[tuple[Path, Path], Path]:
    """A corpus as ``clean`` writes it."""
    paths, digests = (folder / f"{name}.en", folder / f"{name}.de"), folder / f"{name}.digests"
    for side in (0, 1):
        paths[side].write_text("".join(f"{pair[side]}\n" for pair in pairs))
    digests.write_bytes(
        b"".join(
            hashlib.blake2b(f"{one}\n{other}\n".encode(), digest_size=DIGEST_SIZE).digest()
            for one, other in pairs
        )
    )
    return paths, digests


def some_pairs(count: int, seed: int) -> Pairs:
    """Pairs of which many share a side, and some both."""
    draw = random.Random(seed)
    return [(f"s{draw.randrange(60)}", f"t{draw.randrange(60)}") for _ in range(count)]


@pytest.mark.parametrize("bucket", [1 << 25, 4000])
def test_like_a_set_in_memory(bucket: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(duplicates, "BUCKET", bucket)
    monkeypatch.setattr(duplicates, "CHUNK", 100)
    monkeypatch.setattr(duplicates, "BLOCK", 70)
    corpora = [some_pairs(count, seed) for seed, count in enumerate((1500, 0, 2500, 1))]
    files = [write(tmp_path, str(number), pairs) for number, pairs in enumerate(corpora)]
    outputs = tmp_path / "en", tmp_path / "de"
    kept = merge(files, outputs, tmp_path / "buckets")

    seen: set[tuple[str, str]] = set()
    expected, counts = [], []
    for pairs in corpora:
        before = len(expected)
        for pair in pairs:
            if pair not in seen:
                seen.add(pair)
                expected.append(pair)
        counts.append(len(expected) - before)
    assert kept == counts
    assert 1000 < len(expected) < 3000
    sides = [path.read_text().splitlines() for path in outputs]
    assert list(zip(*sides, strict=True)) == expected
    assert not (tmp_path / "buckets").exists()


def test_what_a_killed_run_left_does_not_matter(tmp_path: Path) -> None:
    files = write(tmp_path, "a", [("x", "y"), ("x", "z"), ("x", "y")])
    (tmp_path / "buckets").mkdir()
    (tmp_path / "buckets" / "0").write_bytes(bytes(24))
    (is_first,) = first_occurrences([files[1]], tmp_path / "buckets")
    assert is_first.tolist() == [True, True, False]


def test_text_of_another_length_than_its_digests_stops(tmp_path: Path) -> None:
    files = write(tmp_path, "a", [("x", "y"), ("x", "z")])
    outputs = tmp_path / "en", tmp_path / "de"
    for longer in ("x\nx\nx\n", "x\n"):
        for path in files[0]:
            path.write_text(longer)
        with pytest.raises(UserError, match=r"a.en has not the 2 lines of .*a.digests: remove"):
            merge([files], outputs, tmp_path / "buckets")
    assert not outputs[0].exists()


def test_memory_is_that_of_a_bucket(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Far less than all digests take."""
    monkeypatch.setattr(duplicates, "BUCKET", 100_000)
    monkeypatch.setattr(duplicates, "CHUNK", 1000)
    count = 200_000
    (tmp_path / "digests").write_bytes(np.random.default_rng(1).bytes(count * DIGEST_SIZE))
    tracemalloc.start()
    for is_first in first_occurrences([tmp_path / "digests"], tmp_path / "buckets"):
        assert is_first.all()
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert peak < count * ENTRY.itemsize / 8
