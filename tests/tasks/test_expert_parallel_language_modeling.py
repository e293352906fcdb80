"""Text as streams, words of subwords, and what the task refuses."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from fairseq.data import Dictionary
from hypothesis import given
from hypothesis import strategies as st

from moe_nmt.tasks.expert_parallel_language_modeling import counted_words
from moe_nmt.tasks.streams import Streams


class Blocks:
    """A dataset of numbered blocks."""

    def __init__(self, number: int) -> None:
        self.number = number

    def __len__(self) -> int:
        return self.number

    def collater(self, samples: list[Any]) -> dict[str, Any]:
        return {"id": torch.tensor(samples), "net_input": {}} if samples else {}


@given(st.integers(1, 40), st.integers(1, 5), st.integers(1, 4))
def test_streams_cover_the_text_in_order(blocks: int, rows: int, workers: int) -> None:
    text = Streams(Blocks(blocks))
    text.divide(rows, workers)
    assert sorted(block for batch in text.batches for block in batch) == list(range(blocks))
    for worker in range(workers):
        own = text.batches[worker::workers]
        assert len(own) == len(text.batches) // workers
        last: list[int] = []
        for step, batch in enumerate(own):
            assert len(batch) <= rows
            said = text.collater(batch)
            if step and batch:  # row i goes on with row i
                assert batch == [block + 1 for block in last[: len(batch)]]
            assert not batch or said["net_input"]["goes_on"] == (step > 0)
            last = batch
    assert text.batch_by_size(None, max_tokens=1) == text.batches


def test_a_text_of_one_stream_is_read_from_beginning_to_end() -> None:
    text = Streams(Blocks(4))
    text.divide(1, 1)
    assert text.batches == [[0], [1], [2], [3]]
    assert text.collater([]) == {}


@pytest.mark.parametrize(
    ("entries", "counts"),
    [
        (["dog", "cat"], None),
        (["do@@", "g", "cat"], [0, 1, 1]),
        (["\u2581do", "g", "\u2581cat"], [1, 0, 1]),
    ],
)
def test_words_are_counted_of_subwords(entries: list[str], counts: list[int] | None) -> None:
    dictionary = Dictionary()
    for entry in entries:
        dictionary.add_symbol(entry)
    found = counted_words(dictionary)
    if counts is None:
        assert found is None
    else:
        assert found is not None
        assert found.tolist() == [0, 0, 1, 1, *counts]  # <s>, <pad>, </s>, <unk>
