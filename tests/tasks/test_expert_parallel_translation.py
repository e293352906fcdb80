"""The task: every sentence takes part, padding is at the end, data that do not fit are refused."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

import pytest
import torch
from commands import SIZES
from fairseq import tasks
from fairseq.data import Dictionary
from omegaconf import OmegaConf

from moe_nmt.errors import UserError
from moe_nmt.tasks.expert_parallel_translation import ExpertParallelTranslationTask, fingerprint


def build(data: Path, name: str = "expert_parallel_translation", **options: object) -> Any:
    """A task as fairseq builds it; the interpolated options get fairseq's defaults."""
    config = vars(tasks.TASK_DATACLASS_REGISTRY[name]()) | {
        **{"_name": name, "data": str(data), "train_subset": "train", "dataset_impl": None},
        **{"required_seq_len_multiple": 1, **options},
    }
    return tasks.setup_task(OmegaConf.create(config))


def seen(task: Any, split: str, **options: object) -> list[int]:
    """The numbers of all sentences in the batches of a split."""
    options = {"max_tokens": 400, "required_batch_size_multiple": 8} | options
    batches = task.get_batch_iterator(task.dataset(split), **options).next_epoch_itr(shuffle=False)
    # At the end of a worker's share a batch can be empty.
    return sorted(number for batch in batches if batch for number in batch["id"].tolist())


@pytest.mark.parametrize("split", ["train", "valid", "test"])
def test_every_sentence_is_in_a_batch(binarised: Path, split: str) -> None:
    task = build(binarised)
    task.load_dataset(split)
    assert seen(task, split) == list(range(SIZES[split]))
    assert seen(task, split, max_sentences=7) == list(range(SIZES[split]))


def test_fairseqs_own_task_drops_sentences(binarised: Path) -> None:
    task = build(binarised, name="translation")
    task.load_dataset("test")
    assert len(seen(task, "test")) < SIZES["test"]


@pytest.mark.parametrize("split", ["train", "test"])
def test_only_training_leaves_out_sentences_that_are_too_long(binarised: Path, split: str) -> None:
    task = build(binarised)
    task.has_trainer = True
    task.load_dataset(split)
    lengths = [max(task.dataset(split).size(index)) for index in range(SIZES[split])]
    limit = max(lengths) - 1
    left_out = sum(length > limit for length in lengths) if split == "train" else 0
    options = {"max_positions": (limit, limit), "ignore_invalid_inputs": True}
    assert len(seen(task, split, **options)) == SIZES[split] - left_out


def test_a_sentence_longer_than_max_tokens_is_a_batch_of_its_own(binarised: Path) -> None:
    task = build(binarised)
    task.load_dataset("test")
    assert seen(task, "test", max_tokens=4) == list(range(SIZES["test"]))


def test_every_worker_gets_a_batch_outside_of_training(binarised: Path) -> None:
    def share(worker: int, workers: int) -> list[int]:
        task = build(binarised)  # one keeps its batches
        task.load_dataset("test")
        return seen(task, "test", max_tokens=9999, num_shards=workers, shard_id=worker)

    shares = [share(worker, 3) for worker in range(3)]
    assert all(shares)
    assert sorted(number for each in shares for number in each) == list(range(SIZES["test"]))
    with pytest.raises(UserError, match="only 61 sentences: use at most as many workers"):
        share(0, 62)


def test_sources_are_padded_at_the_end(binarised: Path) -> None:
    task = build(binarised)
    task.load_dataset("valid")
    batch = task.dataset("valid").collater([task.dataset("valid")[i] for i in range(8)])
    pad = task.source_dictionary.pad()
    typed = [torch.tensor([5, 6, 2]), torch.tensor([2]), torch.tensor([7, 2])]
    inference = task.build_dataset_for_inference(typed, [3, 1, 2])
    typed_batch = inference.collater([inference[i] for i in range(3)])
    for tokens in (batch["net_input"]["src_tokens"], typed_batch["net_input"]["src_tokens"]):
        assert tokens.eq(pad).any()
        assert not tokens[:, 0].eq(pad).any()
    # the longest first, as fairseq sorts them
    assert typed_batch["net_input"]["src_tokens"].tolist() == [[5, 6, 2], [7, 2, 1], [2, 1, 1]]
    assert typed_batch["id"].tolist() == [0, 2, 1]


def test_left_padding_is_refused(binarised: Path) -> None:
    with pytest.raises(UserError, match="leave out --left-pad-source"):
        build(binarised, left_pad_source=True)


def test_a_checkpoint_of_another_vocabulary_is_refused(binarised: Path) -> None:
    task = build(binarised)
    state = task.state_dict()
    task.load_state_dict(state)
    task.load_state_dict({})  # a checkpoint of another task tells nothing
    for side in ("source", "target"):
        with pytest.raises(UserError, match=f"with another {side} vocabulary"):
            task.load_state_dict({**state, f"{side}_words": "10 words, sha256 0"})


def test_the_order_of_words_makes_a_vocabulary_and_their_counts_do_not() -> None:
    def dictionary(*words: str, count: int = 1) -> Dictionary:
        entries = Dictionary()
        for word in words:
            entries.add_symbol(word, n=count)
        return entries

    assert fingerprint(dictionary("a", "b")) == fingerprint(dictionary("a", "b", count=5))
    assert fingerprint(dictionary("a", "b")) != fingerprint(dictionary("b", "a"))
    assert fingerprint(dictionary("a")) != fingerprint(dictionary("a", "b"))
    assert fingerprint(dictionary("a", "b")).startswith("6 words, sha256 ")


def test_sides_of_different_length_are_refused(binarised: Path, tmp_path: Path) -> None:
    data = shutil.copytree(binarised, tmp_path / "data")
    for suffix in ("bin", "idx"):
        shutil.copy(data / f"valid.en-de.de.{suffix}", data / f"test.en-de.de.{suffix}")
    with pytest.raises(UserError) as stopped:
        build(data).load_dataset("test")
    assert str(stopped.value) == (
        f"test in {data}: Source and target must contain the same number of examples: "
        "binarise it again from files of equal length"
    )


def test_a_missing_split_is_named(binarised: Path) -> None:
    task: ExpertParallelTranslationTask = build(binarised)
    with pytest.raises(UserError) as stopped:
        task.load_dataset("test2013")
    assert str(stopped.value) == (
        f"{binarised} has no test2013: binarise it, or name another split"
    )
