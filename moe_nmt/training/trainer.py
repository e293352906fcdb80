"""fairseq's Trainer where experts live on several workers; on one it does what it did."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager, nullcontext
from pathlib import Path
from typing import Any

import torch
import torch.distributed as dist
from fairseq.distributed import (
    DistributedTimeoutWrapper,
    LegacyDistributedDataParallel,
    ModuleProxyWrapper,
)
from fairseq.trainer import Trainer
from torch import Tensor, nn

from moe_nmt.checkpoints.reading import read, refuse_other_sizes
from moe_nmt.checkpoints.shards import KEY, SavedExperts, by_kind, write_experts
from moe_nmt.distributed import (
    ExpertParallel,
    OptimizerState,
    Part,
    expert_parameters,
    is_one_of_many,
    parts_of_parameters,
    shard_of,
    whole_parameters,
    whole_shapes,
)
from moe_nmt.distributed.gradients import average_expert_gradients, by_workers
from moe_nmt.errors import UserError
from moe_nmt.models.recurrent_model import RecurrentModel
from moe_nmt.training.launch import lost_another
from moe_nmt.training.resuming import (
    SENTENCES,
    is_within_epoch,
    refuse_other_batches,
    refuse_other_text,
)
from moe_nmt.training.stopping import Stopping, agreed

# Options under which experts would be trained or saved wrongly on several workers.
REFUSED: dict[str, Callable[[Any], bool]] = {
    "--store-ema": lambda cfg: cfg.ema.store_ema,
    "--use-bmuf": lambda cfg: cfg.optimization.use_bmuf,
    "--zero-sharding os": lambda cfg: cfg.distributed_training.zero_sharding == "os",
    "--ddp-backend slowmo": lambda cfg: cfg.distributed_training.ddp_backend == "slowmo",
    "--ddp-backend fully_sharded": (
        lambda cfg: cfg.distributed_training.ddp_backend == "fully_sharded"
    ),
    "--amp": lambda cfg: cfg.common.amp,  # workers would leave out updates apart
    "--fp16 without --fp16-no-flatten-grads": (
        lambda cfg: (
            cfg.common.fp16
            and not cfg.common.memory_efficient_fp16
            and not cfg.common.fp16_no_flatten_grads
        )
    ),
}


class ExpertDataParallel(LegacyDistributedDataParallel):
    """fairseq's data parallel training, which leaves out the gradients of experts, and these."""

    per_device_params: list[list[nn.Parameter]]  # whose gradients fairseq sums

    def __init__(self, module: nn.Module, *args: Any, **kwargs: Any) -> None:
        super().__init__(module, *args, **kwargs)
        for workers in by_workers(module.parameters()):
            if not isinstance(workers, ExpertParallel):
                raise UserError(
                    "this task has all experts on every worker and would train them "
                    "apart: use --task expert_parallel_translation, or one worker"
                )
        # fairseq leaves experts alone, but would make them gradients where there are none
        self.per_device_params = [
            [parameter for parameter in parameters if shard_of(parameter) is None]
            for parameters in self.per_device_params
        ]

    def all_reduce_grads(self) -> None:
        """Averages all gradients over the workers, after the last backward pass of an update."""
        super().all_reduce_grads()
        if not self.accumulate_grads:
            average_expert_gradients(self.module.parameters())


class ExpertTrainer(Trainer):
    """Trains a model on this worker, in step with all others.

    Raises:
        UserError: an option would train or save experts wrongly.
    """

    def __init__(self, cfg: Any, *args: Any, stopping: Stopping) -> None:
        if is_one_of_many():
            for options, given in REFUSED.items():
                if given(cfg):
                    raise UserError(f"{options} does not work on several workers")
        self.is_sharded = bool(getattr(cfg.task, "sharded_checkpoints", False))
        if self.is_sharded and cfg.checkpoint.write_checkpoints_asynchronously:
            raise UserError(
                "--sharded-checkpoints does not work with "
                "--write-checkpoints-asynchronously: leave one of them out"
            )
        self._wrapped_model: Any
        self.whole_parameters: dict[str, Tensor] = {}
        self.experts_folder = ""
        self.saved_state: dict[int, dict[str, Tensor]] = {}  # of own experts, while it is loaded
        self.stopping = stopping
        self.resumed: tuple[str, int | None] | None = None  # a checkpoint, and its sentences
        self.signal_of_all = 0  # that asks all workers to stop, as they agreed in the last update
        super().__init__(cfg, *args)
        self.task.has_trainer = True

    @property
    def model(self) -> Any:
        """The model, wrapped for several workers; fairseq's other wrappers know no experts."""
        if (
            self._wrapped_model is None
            and self.use_distributed_wrapper
            and by_workers(self._model.parameters())
        ):
            group = self.data_parallel_process_group
            parallel = ExpertDataParallel(self._model.to(self.device), group)
            self._wrapped_model = ModuleProxyWrapper(parallel)
            timeout = self.cfg.distributed_training.heartbeat_timeout
            if timeout > 0:
                self._wrapped_model = DistributedTimeoutWrapper(self._wrapped_model, timeout)
        return super().model

    def _build_optimizer(self) -> None:
        super()._build_optimizer()
        optimizer = self._optimizer
        if isinstance(getattr(optimizer, "fp32_params", None), list):
            # fairseq marks its copies in float32, but does not say of which experts they are.
            for copied, original in zip(optimizer.fp32_params, optimizer.fp16_params, strict=True):
                if (shard := shard_of(original)) is not None:
                    copied.expert = shard
        self.optimizer_state = OptimizerState(optimizer.optimizer)
        load_state_dict = optimizer.load_state_dict

        def load_own_state(state: dict[str, Any], *args: Any, **kwargs: Any) -> None:
            # fairseq's memory efficient optimizers take their state from the whole, past torch.
            state = self.optimizer_state.extract(None, state)
            for number, tensors in self.saved_state.items():
                state["state"][number] |= tensors
            load_state_dict(state, *args, **kwargs)

        optimizer.load_state_dict = load_own_state

    def _prepare_sample(self, sample: Any, is_dummy: bool = False) -> Any:
        # fairseq would compute some other batch and ignore the result. But its words would count in
        # all workers' statistics, and where gradients are accumulated, those of the batches before
        # it in the update would be ignored in the number that divides the gradients.
        if not sample and hasattr(self.task, "empty_batch"):
            sample = self.task.empty_batch()
        model = self.get_model()
        if sample and isinstance(model, RecurrentModel):
            sample = {**sample, "net_input": model.count_words(sample["net_input"])}
        return super()._prepare_sample(sample, is_dummy)

    def _set_seed(self) -> None:
        """Gives each worker and update its own noise; on one worker it is fairseq's."""
        update = self.cfg.common.seed + self.get_num_updates()
        seed = update * self.data_parallel_world_size + self.data_parallel_rank
        torch.manual_seed(seed)

    def train_step(self, samples: Any, raise_oom: bool = False) -> Any:
        """An update; what fails on one of many workers is saved with its batch."""
        if not is_one_of_many():
            return super().train_step(samples, raise_oom)
        try:
            # The others wait for this worker: it cannot leave out what does not fit its memory.
            return super().train_step(samples, raise_oom=True)
        except Exception as error:
            if not lost_another(error):
                self.save_failed_batch(samples, error)
            raise

    def _aggregate_logging_outputs(
        self, logging_outputs: Any, *extra_stats_to_sum: Any, ignore: bool = False
    ) -> Any:
        """Adds up what all workers have logged, and whether one of them is asked to stop."""
        stops = self.stopping.counts()
        logging_outputs, sums = super()._aggregate_logging_outputs(
            logging_outputs, *extra_stats_to_sum, *stops, ignore=ignore
        )
        self.signal_of_all = agreed(sums[-len(stops) :])
        return logging_outputs, sums[: -len(stops)]

    @property
    def stop_signal(self) -> int:
        """The signal by which all workers are to stop after this update; 0 if none came."""
        return self.signal_of_all if self._sync_stats() else self.stopping.received

    def valid_step(self, sample: Any, raise_oom: bool = False) -> Any:
        """Validates a batch; as in training none of many workers can leave it out."""
        return super().valid_step(sample, raise_oom or is_one_of_many())

    def save_failed_batch(self, samples: Any, error: Exception) -> None:
        """Writes what this worker was computing when training failed, and names the file."""
        folder = Path(self.cfg.checkpoint.save_dir)
        folder.mkdir(parents=True, exist_ok=True)
        path = folder / f"failed_batch.worker{dist.get_rank()}.pt"
        torch.save({"update": self.get_num_updates(), "samples": samples}, path)
        loss = getattr(self.task, "last_loss", None)
        if isinstance(error, FloatingPointError) and loss is not None:
            finite = bool(torch.as_tensor(loss).isfinite())
            error.add_note(f"the loss of this worker's own batch is {float(loss)}")
            error.caused_elsewhere = finite  # type: ignore[attr-defined]
        error.add_note(f"update {self.get_num_updates()}, and its batch is in {path}")

    def consolidate_optimizer(self) -> None:
        """Prepares a checkpoint: brings all experts to the first worker, or writes each one's own.

        fairseq calls it on all workers.
        """
        error = sys.exc_info()[1]
        if error is not None and (is_one_of_many() or isinstance(error, UserError)):
            # fairseq would save a crash.pt; but the other workers may not be here, and a user's
            # mistake is no crash
            raise error
        super().consolidate_optimizer()
        if hasattr(self.task, "consolidate"):
            self.task.consolidate()
        if self.is_sharded:
            self.experts_folder = self.write_own_experts()
            return
        if not self.cfg.checkpoint.no_save_optimizer_state:
            self.optimizer_state.consolidate()
        self.whole_parameters = whole_parameters(self.get_model())

    def write_own_experts(self) -> str:
        """Writes this worker's experts, and the optimizer's state of them; their folder's name."""
        parts = {f"model.{name}": p for name, p in parts_of_parameters(self.get_model()).items()}
        if not self.cfg.checkpoint.no_save_optimizer_state:
            for (number, name), part in self.optimizer_state.parts().items():
                parts[f"optimizer.{number}.{name}"] = part
        folder = write_experts(Path(self.cfg.checkpoint.save_dir), self.get_num_updates(), parts)
        self.optimizer_state.leave_out()
        return folder

    def state_dict(self) -> dict[str, Any]:
        """What a checkpoint's file holds: all experts, or the name of their folder."""
        state: dict[str, Any] = super().state_dict()
        state[SENTENCES] = len(self.task.dataset("train"))
        if self.is_sharded:
            for name in parts_of_parameters(self.get_model()):
                del state["model"][name]
            return state | {KEY: self.experts_folder}
        state["model"] |= self.whole_parameters
        self.whole_parameters = {}
        return state

    def load_checkpoint(
        self, filename: str, reset_optimizer: bool = False, *args: Any, **kwargs: Any
    ) -> Any:
        """Resumes, on any number of workers, what any number of workers have saved.

        Raises:
            UserError: the file is bad, or of another model.
        """
        if not Path(filename).is_file():
            return super().load_checkpoint(filename, reset_optimizer, *args, **kwargs)
        state = read(Path(filename))  # mapped: only the sizes are read
        refuse_other_batches(Path(filename), state, self.cfg)
        if is_within_epoch(state) and not self.cfg.checkpoint.reset_dataloader:
            self.resumed = filename, state.get(SENTENCES)
        # fairseq restores a task's state everywhere but here.
        self.task.load_state_dict(state.get("task_state", {}))
        weights: dict[str, Tensor] = state["model"]
        experts = SavedExperts(Path(filename), state[KEY]) if KEY in state else None
        if experts is not None:
            weights = {**weights, **experts.weights}
        refuse_other_sizes(filename, weights, whole_shapes(self.get_model()))
        own: dict[str, Part] = {}
        if experts is not None:
            own = self.own_experts(experts, not reset_optimizer and "last_optimizer_state" in state)
        workers_then = state["cfg"]["distributed_training"]["distributed_world_size"]
        with self.inserted(own) if own else nullcontext():
            extra_state = super().load_checkpoint(filename, reset_optimizer, *args, **kwargs)
        position = extra_state["train_iterator"]
        position["iterations_in_epoch"] = rescale(
            position["iterations_in_epoch"], workers_then, self.data_parallel_world_size
        )
        return extra_state

    def get_train_iterator(self, *args: Any, **kwargs: Any) -> Any:
        """The batches of an epoch; after ``load_checkpoint`` those of the epoch it went on with."""
        iterator = super().get_train_iterator(*args, **kwargs)
        if self.resumed is not None:
            file, sentences = self.resumed
            self.resumed = None
            refuse_other_text(sentences, len(self.task.dataset("train")), file)
        return iterator

    def own_experts(self, experts: SavedExperts, optimizer: bool) -> dict[str, Part]:
        """Reads this worker's experts, and what the optimizer keeps of them if that is wanted."""
        shards = {f"model.{name}": shard for name, _, shard in expert_parameters(self.get_model())}
        if optimizer:
            self._build_optimizer()  # as fairseq does next
            for number, (_, shard) in self.optimizer_state.experts().items():
                shards[f"optimizer.{number}"] = shard
        return experts.read_own(shards)

    @contextmanager
    def inserted(self, own: dict[str, Part]) -> Iterator[None]:
        """While fairseq resumes from a file without experts, these rows are loaded with it."""
        weights, self.saved_state = by_kind(own)

        def insert(module: nn.Module, state: dict[str, Tensor], *_: Any) -> None:
            state.update(weights)

        hook = self.get_model().register_load_state_dict_pre_hook(insert)
        try:
            yield
        finally:
            hook.remove()
            self.saved_state = {}


def rescale(batches: int, workers_then: int, workers_now: int) -> int:
    """How many batches of an epoch each worker has seen, when there were other workers.

    fairseq counts those of one worker. What does not come out even is seen again, not left out.
    """
    return batches * workers_then // workers_now
