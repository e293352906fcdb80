"""A trained model and the held-out sentences to try it on."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

import torch
from fairseq import checkpoint_utils

import moe_nmt.plugin  # noqa: F401
from moe_nmt.checkpoints.reading import read
from moe_nmt.checkpoints.shards import refuse_sharded
from moe_nmt.errors import UserError
from moe_nmt.modules.projected_loss import projected_cross_entropy

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


@torch.no_grad()
def perplexity(model: Any, batches: Batches) -> float:
    """2^(bits per target word, the end of the sentence included); no noise, no dropout."""
    model.eval()
    nats, words = 0.0, 0
    for batch in batches:
        features, _ = model(**batch["net_input"], features_only=True)
        is_word = batch["target"] != model.decoder.dictionary.pad()  # [batch, target]
        loss = projected_cross_entropy(
            features[is_word],
            model.decoder.output_embedding.weight,
            batch["target"][is_word],
            smoothing=0.0,
        )
        nats += float(loss.negative_log_likelihood)
        words += int(is_word.sum())
    return math.exp(nats / words)
