"""A trained model and the held-out sentences to try it on."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any, NamedTuple

import torch
from fairseq import checkpoint_utils
from torch import Tensor

import moe_nmt.plugin  # noqa: F401
from moe_nmt.checkpoints.reading import read
from moe_nmt.checkpoints.shards import refuse_sharded
from moe_nmt.errors import UserError

Batches = list[dict[str, Any]]


def load(checkpoint: Path, data: Path, split: str, max_tokens: int) -> tuple[Any, Batches]:
    """Loads a model and a split of a data set in batches.

    Args:
        checkpoint: of fairseq-train.
        data: a folder made by fairseq-preprocess.
        split: which part of it.
        max_tokens: tokens of a batch.

    Raises:
        UserError: what is missing, or cannot be used.
    """
    if not data.exists():
        raise UserError(f"{data} does not exist")
    refuse_sharded(checkpoint, read(checkpoint))
    models, _, task = checkpoint_utils.load_model_ensemble_and_task(
        [str(checkpoint)], arg_overrides={"data": str(data)}
    )
    task.load_dataset(split)
    batches = task.get_batch_iterator(task.dataset(split), max_tokens=max_tokens)
    return models[0], list(batches.next_epoch_itr(shuffle=False))


class Losses(NamedTuple):
    """What a model thinks of each sentence, by its number in the data set."""

    nats: Tensor  # [sentences] float64, -ln P of a sentence with its end
    tokens: Tensor  # [sentences] int64, how many that is of

    def perplexity(self, chosen: Tensor | slice = slice(None)) -> float:
        """exp(nats per token), of all sentences or of those that a mask [sentences] chooses."""
        return math.exp(float(self.nats[chosen].sum()) / int(self.tokens[chosen].sum()))


@torch.no_grad()
def losses(model: Any, batches: Batches) -> Losses:
    """Lets a model read sentences, without noise and dropout."""
    model.eval()
    sentences = 1 + max((int(batch["id"].max()) for batch in batches), default=-1)
    nats = torch.zeros(sentences, dtype=torch.float64)
    tokens = torch.zeros(sentences, dtype=torch.int64)
    for batch in batches:
        target = batch["target"]  # [batch, time]
        output = model(**batch["net_input"])
        log_p = model.get_normalized_probs(output, log_probs=True, sample=batch)
        of_target = log_p.gather(2, target[:, :, None]).squeeze(2).double()  # [batch, time]
        is_word = target != model.decoder.dictionary.pad()
        nats[batch["id"]] = -of_target.where(is_word, torch.zeros(())).sum(1)
        tokens[batch["id"]] = is_word.sum(1)
    return Losses(nats, tokens)
