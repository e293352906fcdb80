"""Tasks on several workers: each builds its part of the model, and all stay in step."""

import logging
from dataclasses import dataclass
from typing import Any

import torch
import torch.distributed as dist
from fairseq import utils
from fairseq.dataclass import ChoiceEnum, FairseqDataclass
from fairseq.logging import metrics
from fairseq.tasks.fairseq_task import FairseqTask
from omegaconf import II
from torch import Tensor

from moe_nmt.distributed import ExpertParallel, Workers, largest_size
from moe_nmt.errors import UserError
from moe_nmt.options import option
from moe_nmt.training.launch import is_one_of_many, refuse_lone_worker

logger = logging.getLogger(__name__)


@dataclass
class WorkersConfig(FairseqDataclass):
    """Options of every task of this package."""

    expert_parallel_size: int = option(
        0,
        "how many workers share one copy of the experts; 0 for as many as can: all of them, unless "
        "a mixture has fewer experts (or groups of them, which stay together) than workers",
    )
    sharded_checkpoints: bool = option(
        False,
        "each worker writes its own experts into a folder beside the checkpoint, so that none "
        "needs the memory for all; moe-nmt-consolidate makes one file of them",
    )
    precision: ChoiceEnum(["fp32", "bf16"]) = option(  # type: ignore[valid-type]
        "fp32",
        "of the matrix products in training and validation; parameters, gates and losses stay fp32",
    )
    train_subset: str = II("dataset.train_subset")


class OnWorkers(FairseqTask):
    """A mixin of fairseq's tasks: experts on several workers, and no sentence dropped.

    It stands before the task in the list of bases, whose dictionaries it takes.
    """

    has_trainer = False
    last_loss: Tensor | None = None  # of this worker's last batch

    def __init__(self, cfg: Any, *args: Any, **kwargs: Any) -> None:
        super().__init__(cfg, *args, **kwargs)
        self.workers = Workers()

    def build_model(self, cfg: Any, from_checkpoint: bool = False) -> Any:
        """Builds this worker's part of a model to train, or the whole of a finished one."""
        self.workers = Workers()
        if not from_checkpoint:
            refuse_lone_worker("use torchrun ... $(which fairseq-train) with --user-dir moe_nmt", 1)
            if is_one_of_many():
                try:
                    self.workers = ExpertParallel(self.expert_parallel_size(cfg))
                except ValueError as error:
                    raise UserError(f"--expert-parallel-size: {error}") from error
        return super().build_model(cfg, from_checkpoint)

    def expert_parallel_size(self, cfg: Any) -> int:
        """How many workers share one copy of the experts of a model with these options."""
        if self.cfg.expert_parallel_size:
            return int(self.cfg.expert_parallel_size)
        world = dist.get_world_size()
        experts, groups = getattr(cfg, "experts", world), getattr(cfg, "expert_groups", 1)
        size = largest_size(world, groups if groups > 1 else experts)
        if size < world:
            logger.info(
                "each copy of the experts is divided among %d of the %d workers: a mixture has "
                "%d experts in %d groups",
                *(size, world, experts, groups),
            )
        return size

    def consolidate(self) -> None:
        """Prepares ``state_dict``; all workers call it before the first of them saves."""

    def empty_batch(self) -> dict[str, Any]:
        """A batch of no words, for a worker that has none left while others have."""
        padding = torch.full((1, 1), self.source_dictionary.pad())
        return {
            "id": torch.empty(0, dtype=torch.long),
            "nsentences": 0,
            "ntokens": 0,
            "net_input": {"src_tokens": padding, "src_lengths": torch.zeros(1, dtype=torch.long)},
            "target": padding,
        }

    def is_trained_on(self, dataset: Any) -> bool:
        """Whether a trainer learns from these data; fairseq-generate may translate them too."""
        return self.has_trainer and dataset is self.datasets.get(self.cfg.train_subset)

    def can_reuse_epoch_itr(self, dataset: Any) -> bool:
        """Lets every epoch of training make its own batches.

        fairseq would keep those of the first one, but of the epoch in which a resumed training
        starts: the two would part.
        """
        return not self.is_trained_on(dataset)

    def get_batch_iterator(self, dataset: Any, *args: Any, **kwargs: Any) -> Any:
        """Batches a dataset without dropping sentences.

        fairseq's --required-batch-size-multiple (8 by default) silently drops what is left over;
        nothing here gains from multiples, so the task always uses 1.  Outside of training, no
        sentence is too long either.
        """
        refuse_lone_worker(
            "give each its part with --distributed-world-size, --distributed-rank and a "
            "--results-path of its own",
            kwargs.get("num_shards", 1),
        )
        kwargs["required_batch_size_multiple"] = 1
        if not self.is_trained_on(dataset):
            kwargs["max_positions"] = None
            if kwargs.get("max_tokens") is not None:
                longest = max(dataset.num_tokens(index) for index in range(len(dataset)))
                kwargs["max_tokens"] = max(kwargs["max_tokens"], longest)
            share = len(dataset) // kwargs.get("num_shards", 1)
            if share == 0:
                raise UserError(
                    f"there are only {len(dataset)} sentences: use at most as many workers"
                )
            # fairseq-generate fails on a worker without a batch.
            kwargs["max_sentences"] = min(kwargs.get("max_sentences") or share, share)
        return super().get_batch_iterator(dataset, *args, **kwargs)

    def train_step(
        self, sample: Any, model: Any, criterion: Any, optimizer: Any, *args: Any, **kwargs: Any
    ) -> Any:
        """Forward and backward in the chosen precision; logs what was sent."""

        def loss_of(model: Any, sample: Any) -> Any:
            with self.autocast(model):  # here, as fairseq switches it off round this
                loss, sample_size, log = criterion(model, sample)
            # An optimizer that updates in the backward pass wants to know what to divide by.
            if getattr(optimizer, "updates_in_backward", False):
                (total,) = self.workers.sum(loss.detach().new_tensor(float(sample_size)))
                optimizer.expect(float(total) / self.workers.world)
            return loss, sample_size, log

        self.workers.bytes_sent = 0
        loss, sample_size, log = super().train_step(
            sample, model, loss_of, optimizer, *args, **kwargs
        )
        self.last_loss = log.get("nll_loss", loss)
        if is_one_of_many():
            log["bytes_sent"] = self.workers.bytes_sent
        return loss, sample_size, log

    def valid_step(self, sample: Any, model: Any, criterion: Any) -> Any:
        """Validates a batch in the chosen precision, also of a worker that has none left."""
        with self.autocast(model):
            return super().valid_step(sample or self.empty_batch_for(model), model, criterion)

    def empty_batch_for(self, model: Any) -> dict[str, Any]:
        """The same where the model is."""
        batch = self.empty_batch()
        is_cuda = next(model.parameters()).is_cuda
        moved: dict[str, Any] = utils.move_to_cuda(batch) if is_cuda else batch
        return moved

    def autocast(self, model: Any) -> torch.autocast:
        """The precision of matrix products on the model's device."""
        device = next(model.parameters()).device.type
        return torch.autocast(device, torch.bfloat16, enabled=str(self.cfg.precision) == "bf16")

    def reduce_metrics(self, logging_outputs: list[dict[str, Any]], criterion: Any) -> None:
        """Logs what all workers did together."""
        super().reduce_metrics(logging_outputs, criterion)
        if bytes_sent := sum(log.get("bytes_sent", 0) for log in logging_outputs):
            metrics.log_scalar("mb_sent", bytes_sent / 1e6, round=3)
