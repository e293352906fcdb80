"""Translation on several workers: each builds its part of the model, and all stay in step."""

from dataclasses import dataclass
from typing import Any

import torch
from fairseq import utils
from fairseq.logging import metrics
from fairseq.tasks.fairseq_task import FairseqTask
from fairseq.tasks.translation import EVAL_BLEU_ORDER, TranslationConfig, TranslationTask
from torch import Tensor

from moe_nmt.distributed import ExpertParallel, Workers, whole_parameters
from moe_nmt.errors import UserError
from moe_nmt.options import option
from moe_nmt.training.launch import is_one_of_many, refuse_lone_worker

# What fairseq logs of BLEU, in its order, which all workers have to share.
BLEU_COUNTS = ["_bleu_sys_len", "_bleu_ref_len"]
for order in range(EVAL_BLEU_ORDER):
    BLEU_COUNTS += [f"_bleu_counts_{order}", f"_bleu_totals_{order}"]


@dataclass
class WorkersConfig(TranslationConfig):
    """Options of a training on several workers."""

    expert_parallel_size: int = option(
        0, "how many workers share one copy of the experts; 0 for all, so that there is one copy"
    )
    sharded_checkpoints: bool = option(
        False,
        "each worker writes its own experts into a folder beside the checkpoint, so that none "
        "needs the memory for all; moe-nmt-consolidate makes one file of them",
    )


class TranslationOnWorkersTask(TranslationTask):
    """fairseq's translation task for models whose experts may live on several workers."""

    last_loss: Tensor | None = None  # of this worker's last batch

    def __init__(self, cfg: Any, *dictionaries: Any) -> None:
        super().__init__(cfg, *dictionaries)
        self.workers = Workers()

    def build_model(self, cfg: Any, from_checkpoint: bool = False) -> Any:
        """Builds this worker's part of a model to train, or the whole of a finished one."""
        self.workers = Workers()
        if not from_checkpoint:
            refuse_lone_worker("use torchrun ... $(which fairseq-train) with --user-dir moe_nmt", 1)
            self.model_config = cfg
            if is_one_of_many():
                try:
                    self.workers = ExpertParallel(self.cfg.expert_parallel_size or None)
                except ValueError as error:
                    raise UserError(f"--expert-parallel-size: {error}") from error
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
                whole = super().build_model(self.model_config)  # and the generator that decodes
            self.workers = workers
            whole.load_state_dict({**model.state_dict(), **experts})
            whole.to(next(model.parameters())).eval()

    def empty_batch(self) -> dict[str, Any]:
        """A batch of no words, for a worker that has none left while others have."""
        padding = torch.full((1, 1), self.source_dictionary.pad())
        return {
            "id": torch.empty(0, dtype=torch.long),
            "nsentences": 0,
            "ntokens": 0,
            "net_input": {
                "src_tokens": padding,
                "src_lengths": torch.zeros(1, dtype=torch.long),
                "prev_output_tokens": padding,
            },
            "target": padding,
        }

    def train_step(self, sample: Any, *args: Any, **kwargs: Any) -> Any:
        """Forward and backward; logs what was sent."""
        self.workers.bytes_sent = 0
        loss, sample_size, log = super().train_step(sample, *args, **kwargs)
        self.last_loss = log.get("nll_loss", loss)
        if is_one_of_many():
            self.sequence_generator = None  # and the whole model of the last validation with it
            log["bytes_sent"] = self.workers.bytes_sent
        return loss, sample_size, log

    def valid_step(self, sample: Any, model: Any, criterion: Any) -> Any:
        """Validates a batch, also of a worker that has none left."""
        if not sample:
            sample = self.empty_batch()
            if next(model.parameters()).is_cuda:
                sample = utils.move_to_cuda(sample)
        if sample["nsentences"] or not self.cfg.eval_bleu:
            return super().valid_step(sample, model, criterion)
        # There is nothing to decode.
        loss, sample_size, log = FairseqTask.valid_step(self, sample, model, criterion)
        return loss, sample_size, log | dict.fromkeys(BLEU_COUNTS, 0)

    def reduce_metrics(self, logging_outputs: list[dict[str, Any]], criterion: Any) -> None:
        """Logs what all workers did together."""
        super().reduce_metrics(logging_outputs, criterion)
        if bytes_sent := sum(log.get("bytes_sent", 0) for log in logging_outputs):
            metrics.log_scalar("mb_sent", bytes_sent / 1e6, round=3)
