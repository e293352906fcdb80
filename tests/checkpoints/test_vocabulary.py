"""A checkpoint gets the words of other data."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest
import torch
from commands import preprocess, run_here, train_here
from fairseq.data import Dictionary
from torch import Tensor

from moe_nmt.checkpoints.reading import read
from moe_nmt.checkpoints.vocabulary import with_rows
from moe_nmt.cli import extend

WORDS = ("encoder.embedding.weight", "decoder.embedding.weight", "decoder.output_embedding.weight")


@pytest.fixture(scope="module")
def grown(corpus: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Data with other words besides the old ones, in another order."""
    text = tmp_path_factory.mktemp("text")
    for split in ("train", "valid", "test"):
        for side in ("en", "de"):
            lines = (corpus / f"{split}.{side}").read_text(encoding="utf-8").splitlines()
            new = [f"zorp{number % 7} {line}" for number, line in enumerate(lines[::-1])]
            (text / f"{split}.{side}").write_text("\n".join(new) + "\n", encoding="utf-8")
    folder = tmp_path_factory.mktemp("grown")
    run_here("preprocess", *preprocess(text, folder, "--joined-dictionary"))
    return folder


@pytest.fixture(scope="module")
def extended(
    checkpoint: Path, binarised: Path, grown: Path, tmp_path_factory: pytest.TempPathFactory
) -> Path:
    output = tmp_path_factory.mktemp("extended") / "extended.pt"
    arguments = ["--data", grown, "--old-data", binarised, "--output", output]
    extend.main([str(checkpoint), *map(str, arguments)])
    return output


def rows(model: dict[str, Tensor], folder: Path, side: str, name: str) -> dict[str, Tensor]:
    """The row of each word."""
    dictionary = Dictionary.load(str(folder / f"dict.{side}.txt"))
    assert len(dictionary) == len(model[name])
    return dict(zip(dictionary.symbols, model[name], strict=True))


def test_words_keep_their_rows_wherever_they_stand(
    checkpoint: Path, extended: Path, binarised: Path, grown: Path
) -> None:
    old, new = read(checkpoint), read(extended)
    for name in WORDS:
        side = "en" if name.startswith("encoder") else "de"
        before, after = (
            rows(state["model"], folder, side, name)
            for state, folder in ((old, binarised), (new, grown))
        )
        common = before.keys() & after.keys()
        assert len(common) > 1000
        for word in common:
            assert torch.equal(before[word], after[word]), word
        fresh = [after[f"zorp{number}"] for number in range(7)]
        assert len({tuple(row.tolist()) for row in fresh}) == 7
        words = torch.stack([row for word, row in before.items() if word != "<pad>"])
        distance = (torch.stack(fresh) - words.mean(0)).abs().max()
        assert distance < 0.5 * words.std(0).max()
    others = old["model"].keys() - set(WORDS)
    assert all(torch.equal(old["model"][name], new["model"][name]) for name in others)
    assert "last_optimizer_state" not in new


def test_it_is_trained_further(extended: Path, grown: Path, tmp_path: Path) -> None:
    options = ["--finetune-from-model", str(extended), "--max-update", "2", "--warmup-updates", "1"]
    last = train_here(grown, tmp_path, *options, "--disable-validation")
    before, after = read(extended)["model"], read(last)["model"]
    moved = (before[WORDS[0]] - after[WORDS[0]]).abs().max()
    assert 0 < moved < 0.2


def test_the_seed_decides(checkpoint: Path, binarised: Path, grown: Path, tmp_path: Path) -> None:
    found = []
    for number, seed in enumerate("112"):
        output = tmp_path / f"{number}.pt"
        arguments = ["--data", grown, "--old-data", binarised, "--output", output, "--seed", seed]
        extend.main([str(checkpoint), *map(str, arguments)])
        found.append(read(output)["model"][WORDS[0]])
    assert torch.equal(found[0], found[1])
    assert not torch.equal(found[0], found[2])


def test_rows_are_put_in_order() -> None:
    old = torch.arange(12.0).view(4, 3)
    found = with_rows(old, [3, -1, 0], pad=1, seed=1)
    assert torch.equal(found[0], old[3])
    assert torch.equal(found[2], old[0])
    assert (found[1] - old[[0, 2, 3]].mean(0)).abs().max() < 2


def test_what_cannot_be_extended(
    checkpoint: Path, binarised: Path, grown: Path, extended: Path, tmp_path: Path
) -> None:
    empty = tmp_path / "empty"
    shutil.copytree(binarised, empty)
    (empty / "dict.en.txt").write_text("")
    for arguments, words in (
        ([checkpoint, "--data", empty, "--old-data", binarised], "dict.en.txt has no words"),
        ([tmp_path / "no.pt", "--data", grown], "does not exist"),
        ([checkpoint, "--data", tmp_path], "is no folder of binarised text"),
        ([checkpoint, "--data", grown, "--old-data", grown], "was not trained with the diction"),
        ([extended, "--data", binarised, "--old-data", binarised], "was not trained with the"),
    ):
        with pytest.raises(SystemExit, match=words):
            extend.main([*map(str, arguments), "--output", str(tmp_path / "out.pt")])
        assert not (tmp_path / "out.pt").exists()
