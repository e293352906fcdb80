"""BLEU in validation, by --eval-bleu, also where a model's experts live on several workers."""

from __future__ import annotations

from typing import Any

import torch
from fairseq.tasks.fairseq_task import FairseqTask
from fairseq.tasks.translation import EVAL_BLEU_ORDER, TranslationTask

from moe_nmt.distributed import Workers, whole_parameters
from moe_nmt.tasks.on_workers import OnWorkers
from moe_nmt.training.launch import is_one_of_many

# What fairseq logs of BLEU, in its order, which all workers have to share.
BLEU_COUNTS = ["_bleu_sys_len", "_bleu_ref_len"]
for order in range(EVAL_BLEU_ORDER):
    BLEU_COUNTS += [f"_bleu_counts_{order}", f"_bleu_totals_{order}"]


class BleuOnWorkers(OnWorkers, TranslationTask):
    """fairseq's translation task on several workers."""

    def build_model(self, cfg: Any, from_checkpoint: bool = False) -> Any:
        """Builds this worker's part of a model to train, or the whole of a finished one."""
        if not from_checkpoint:
            self.model_config = cfg
        return super().build_model(cfg, from_checkpoint)

    def begin_valid_epoch(self, epoch: int, model: Any) -> None:
        """Gives each worker a whole model where it has to decode.

        Workers need different numbers of steps for that, so that they cannot wait for each other.
        """
        super().begin_valid_epoch(epoch, model)
        if self.cfg.eval_bleu and is_one_of_many():
            experts = whole_parameters(model, everywhere=True)
            workers, self.workers = self.workers, Workers()
            with torch.random.fork_rng():
                # and the generator that decodes
                whole = TranslationTask.build_model(self, self.model_config)
            self.workers = workers
            whole.load_state_dict({**model.state_dict(), **experts})
            whole.to(next(model.parameters())).eval()

    def empty_batch(self) -> dict[str, Any]:
        """A batch of no words, for a worker that has none left while others have."""
        batch = super().empty_batch()
        batch["net_input"]["prev_output_tokens"] = batch["target"]
        return batch

    def train_step(self, *args: Any, **kwargs: Any) -> Any:
        """Forward and backward."""
        if is_one_of_many():
            self.sequence_generator = None  # and the whole model of the last validation with it
        return super().train_step(*args, **kwargs)

    def valid_step(self, sample: Any, model: Any, criterion: Any) -> Any:
        """Validates a batch, and decodes what is in it."""
        if not self.cfg.eval_bleu or (sample and sample["nsentences"]):
            return super().valid_step(sample, model, criterion)
        with self.autocast(model):
            batch = sample or self.empty_batch_for(model)
            loss, sample_size, log = FairseqTask.valid_step(self, batch, model, criterion)
        return loss, sample_size, log | dict.fromkeys(BLEU_COUNTS, 0)
