"""Text as parallel streams of blocks, so that a model can go on where it was after a batch.

The blocks of a text, in order, are divided into as many streams as all workers' batches have
rows.  A worker's batch t holds block t of each of its streams: row i goes on where it was in batch
t - 1.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from fairseq.data import BaseWrapperDataset


class Streams(BaseWrapperDataset):
    """The blocks of a text, batched by stream.

    Args:
        dataset: of blocks, in the order of the text.
    """

    def __init__(self, dataset: Any) -> None:
        super().__init__(dataset)
        self.batches: list[list[int]] = []
        self.beginnings: set[int] = set()

    def divide(self, rows: int, workers: int) -> None:
        """Divides the text for so many workers with batches of so many rows, who take turns."""
        # the longer streams come first: a shorter batch lacks the last rows
        streams = np.array_split(np.arange(len(self)), rows * workers)
        self.beginnings = {int(stream[0]) for stream in streams if len(stream)}
        self.batches = [
            [int(stream[step]) for stream in streams[worker::workers] if step < len(stream)]
            for step in range(len(streams[0]))
            for worker in range(workers)
        ]

    def batch_by_size(self, indices: Any, **_: Any) -> list[list[int]]:
        """The batches as they are divided; no limit of theirs makes them smaller."""
        return self.batches

    def collater(self, samples: list[dict[str, Any]]) -> dict[str, Any]:
        """A batch that says whether it goes on with the one before it."""
        batch: dict[str, Any] = self.dataset.collater(samples)
        if batch:
            batch["net_input"]["goes_on"] = int(batch["id"][0]) not in self.beginnings
        return batch
