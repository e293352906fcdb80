"""Dictionary and binary files beside fairseq-preprocess's, to the byte."""

from __future__ import annotations

from pathlib import Path

import pytest
from commands import run_here

from moe_nmt.corpus.preparation import binarise as binarising
from moe_nmt.corpus.preparation import dictionary as dictionaries
from moe_nmt.corpus.preparation.binarise import binarise
from moe_nmt.corpus.preparation.dictionary import SPECIAL, build_dictionary, read_dictionary

ODD = ["", "▁a", "<pad> <unk> </s> ▁a <s>", "▁é ▁ß 漢", "▁a  ▁a"]


def write(folder: Path, corpus: Path) -> None:
    """Text with lines that could go wrong."""
    for split, language in ((split, lang) for split in ("train", "valid") for lang in ("en", "de")):
        text = (corpus / f"{split}.{language}").read_text(encoding="utf-8").splitlines()
        text += ODD if split == "train" else [*ODD, "unheard ▁a"]
        (folder / f"{split}.{language}").write_text("\n".join(text) + "\n", encoding="utf-8")


@pytest.mark.parametrize(("size", "workers"), [(100, 1), (100_000, 2)])
def test_like_fairseq_preprocess(
    size: int, workers: int, corpus: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(binarising, "BLOCK", 100)
    monkeypatch.setattr(dictionaries, "BLOCK", 100)
    monkeypatch.setattr(binarising, "CHUNK", 64)
    write(tmp_path, corpus)
    theirs, ours = tmp_path / "theirs", tmp_path / "ours"
    run_here(
        "preprocess",
        *("-s", "en", "-t", "de", "--joined-dictionary", "--nwordssrc", size + 4),
        *("--nwordstgt", size + 4, "--trainpref", tmp_path / "train"),
        *("--validpref", tmp_path / "valid", "--destdir", theirs),
    )
    train = [tmp_path / f"train.{language}" for language in ("en", "de")]
    found = build_dictionary(train, size, ours / "dict.en.txt", workers)
    words = {word for path in train for word in path.read_text(encoding="utf-8").split()}
    assert found == min(size, len(words - {*SPECIAL}))
    for split in ("train", "valid"):
        for language in ("en", "de"):
            text = tmp_path / f"{split}.{language}"
            counts = binarise(
                text, ours / "dict.en.txt", ours / f"{split}.en-de.{language}", workers
            )
            subwords = text.read_text(encoding="utf-8").split()
            assert counts["subwords"] == len(subwords)
            known = read_dictionary(ours / "dict.en.txt")
            unknown = sum(known.get(word.encode(), 3) == 3 for word in subwords)
            assert counts["unknown"] == unknown
    made = {path.name: path.read_bytes() for path in sorted(ours.iterdir())}
    assert len(made) == 9
    assert made == {name: (theirs / name).read_bytes() for name in made}


def test_many_subwords_take_four_bytes(tmp_path: Path) -> None:
    (tmp_path / "dict").write_text("".join(f"w{number} 1\n" for number in range(65_496)))
    (tmp_path / "text").write_text("w65495 w0\n")
    binarise(tmp_path / "text", tmp_path / "dict", tmp_path / "out", 1)
    index = (tmp_path / "out.idx").read_bytes()
    assert index[17] == 9  # fairseq's code of uint32
    numbers = (tmp_path / "out.bin").read_bytes()
    assert numbers == b"".join(n.to_bytes(4, "little") for n in (65_499, 4, 2))
    assert sorted(path.name for path in tmp_path.iterdir()) == [
        "dict",
        "out.bin",
        "out.idx",
        "text",
    ]


def test_a_text_without_lines(tmp_path: Path) -> None:
    (tmp_path / "dict").write_text("a 1\n")
    (tmp_path / "text").write_bytes(b"")
    counts = binarise(tmp_path / "text", tmp_path / "dict", tmp_path / "out", 2)
    assert counts == {"sentences": 0, "subwords": 0, "unknown": 0}
    assert (tmp_path / "out.bin").read_bytes() == b""
