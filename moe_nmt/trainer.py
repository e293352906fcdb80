"""What fairseq's Trainer does otherwise where experts live on several workers."""

from __future__ import annotations

import copy
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch
import torch.distributed as dist
from fairseq import models, utils
from fairseq.distributed import LegacyDistributedDataParallel
from fairseq.models import distributed_fairseq_model
from fairseq.trainer import Trainer
from torch import Tensor, nn

from moe_nmt.distributed import (
    ExpertParallel,
    OptimizerState,
    parts_of_parameters,
    total_norm,
    whole_parameters,
)
from moe_nmt.distributed.gradients import average_expert_gradients, by_workers
from moe_nmt.launch import is_one_of_many, lost_another
from moe_nmt.sharded_checkpoints import KEY, is_sharded, save_experts

# Options under which experts would be trained or saved wrongly on several workers.
REFUSED: dict[str, Callable[[Any], bool]] = {
    "--store-ema": lambda cfg: cfg.ema.store_ema,
    "--use-bmuf": lambda cfg: cfg.optimization.use_bmuf,
    "--zero-sharding os": lambda cfg: cfg.distributed_training.zero_sharding == "os",
    "--ddp-backend slowmo": lambda cfg: cfg.distributed_training.ddp_backend == "slowmo",
    "--ddp-backend fully_sharded": (
        lambda cfg: cfg.distributed_training.ddp_backend == "fully_sharded"
    ),
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

    def __init__(self, module: nn.Module, *args: Any, **kwargs: Any) -> None:
        super().__init__(module, *args, **kwargs)
        for workers in by_workers(module.parameters()):
            if not isinstance(workers, ExpertParallel):
                raise SystemExit(
                    "moe_nmt: this task has all experts on every worker and would train them "
                    "apart: use --task expert_parallel_translation, or one worker"
                )

    def all_reduce_grads(self) -> None:
        """Averages all gradients over the workers, after the last backward pass of an update."""
        super().all_reduce_grads()
        if not self.accumulate_grads:
            average_expert_gradients(self.module.parameters())


def install() -> None:
    """Changes fairseq's Trainer; on one worker it does what it did."""
    distributed_fairseq_model.LegacyDistributedDataParallel = ExpertDataParallel
    wrap_model, build, build_optimizer = (
        models.DistributedFairseqModel,
        Trainer.__init__,
        Trainer._build_optimizer,
    )
    prepare_sample, consolidate = Trainer._prepare_sample, Trainer.consolidate_optimizer
    state_dict, clip_grad_norm = Trainer.state_dict, utils.clip_grad_norm_
    train_step, valid_step = Trainer.train_step, Trainer.valid_step

    def wrapped_model(args: Any, model: nn.Module, *rest: Any, **kwargs: Any) -> Any:
        if by_workers(model.parameters()):
            args = copy.copy(args)
            args.ddp_backend = "legacy_ddp"
        return wrap_model(args, model, *rest, **kwargs)

    def checked_build(trainer: Trainer, cfg: Any, *args: Any, **kwargs: Any) -> None:
        if is_one_of_many():
            for options, given in REFUSED.items():
                if given(cfg):
                    raise SystemExit(f"moe_nmt: {options} does not work on several workers")
        if is_sharded(cfg) and cfg.checkpoint.write_checkpoints_asynchronously:
            raise SystemExit(
                "moe_nmt: --sharded-checkpoints does not work with "
                "--write-checkpoints-asynchronously: leave one of them out"
            )
        build(trainer, cfg, *args, **kwargs)

    def build_marked_optimizer(trainer: Trainer) -> None:
        build_optimizer(trainer)
        optimizer = trainer._optimizer
        if isinstance(getattr(optimizer, "fp32_params", None), list):
            # fairseq marks its copies in float32, but does not say of which experts they are.
            for copied, original in zip(optimizer.fp32_params, optimizer.fp16_params, strict=True):
                if hasattr(original, "expert"):
                    copied.expert = original.expert
        trainer.optimizer_state = OptimizerState(optimizer.optimizer)
        load_state_dict = optimizer.load_state_dict

        def load_own_state(state: dict[str, Any], *args: Any, **kwargs: Any) -> None:
            # fairseq's memory efficient optimizers take their state from the whole, past torch.
            load_state_dict(trainer.optimizer_state.extract(None, state), *args, **kwargs)

        optimizer.load_state_dict = load_own_state

    def prepare_any_sample(trainer: Trainer, sample: Any, is_dummy: bool = False) -> Any:
        # fairseq would compute some other batch and ignore the result. But its words would count in
        # all workers' statistics, and where gradients are accumulated, those of the batches before
        # it in the update would be ignored in the number that divides the gradients.
        if not sample and hasattr(trainer.task, "empty_batch"):
            sample = trainer.task.empty_batch()
        return prepare_sample(trainer, sample, is_dummy)

    def set_seed(trainer: Trainer) -> None:
        """Gives each worker and update its own noise; on one worker it is fairseq's."""
        update = trainer.cfg.common.seed + trainer.get_num_updates()
        workers = trainer.data_parallel_world_size
        seed = update * workers + trainer.data_parallel_rank
        torch.manual_seed(seed)

    def consolidate_all(trainer: Trainer) -> None:
        error = sys.exc_info()[1]
        if error is not None and is_one_of_many():
            raise error  # fairseq would save a crash.pt; but the other workers may not be here
        consolidate(trainer)
        if is_sharded(trainer.cfg):
            trainer.experts_folder = save_experts(trainer)
            return
        if not trainer.cfg.checkpoint.no_save_optimizer_state:
            trainer.optimizer_state.consolidate()
        trainer.whole_parameters = whole_parameters(trainer.get_model())

    def whole_state_dict(trainer: Trainer) -> dict[str, Any]:
        state: dict[str, Any] = state_dict(trainer)
        if is_sharded(trainer.cfg):
            for name in parts_of_parameters(trainer.get_model()):
                del state["model"][name]
            return state | {KEY: trainer.experts_folder}
        state["model"] |= trainer.whole_parameters
        trainer.whole_parameters = {}
        return state

    def checked_train_step(trainer: Trainer, samples: Any, raise_oom: bool = False) -> Any:
        if not is_one_of_many():
            return train_step(trainer, samples, raise_oom)
        try:
            # The others wait for this worker: it cannot leave out what does not fit its memory.
            return train_step(trainer, samples, raise_oom=True)
        except Exception as error:
            if not lost_another(error):
                save_failed_batch(trainer, samples, error)
            raise

    def checked_valid_step(trainer: Trainer, sample: Any, raise_oom: bool = False) -> Any:
        return valid_step(trainer, sample, raise_oom or is_one_of_many())

    def clip(params: Any, max_norm: float, aggregate_norm_fn: Any = None) -> Tensor:
        # fairseq leaves experts out of the norm, and so misses what overflows in half precision.
        params = [params] if isinstance(params, Tensor) else list(params)
        if not by_workers(params):
            return clip_grad_norm(params, max_norm, aggregate_norm_fn)
        norm = total_norm(params)
        if max_norm > 0:
            torch.nn.utils.clip_grads_with_norm_(params, max_norm, norm)
        return norm

    utils.clip_grad_norm_ = clip
    models.DistributedFairseqModel = wrapped_model
    Trainer.__init__ = checked_build
    Trainer._build_optimizer = build_marked_optimizer
    Trainer._prepare_sample = prepare_any_sample
    Trainer._set_seed = set_seed
    Trainer.consolidate_optimizer = consolidate_all
    Trainer.state_dict = whole_state_dict
    Trainer.train_step = checked_train_step
    Trainer.valid_step = checked_valid_step


def save_failed_batch(trainer: Trainer, samples: Any, error: Exception) -> None:
    """Writes what this worker was computing when training failed, and names the file."""
    folder = Path(trainer.cfg.checkpoint.save_dir)
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / f"failed_batch.worker{dist.get_rank()}.pt"
    torch.save({"update": trainer.get_num_updates(), "samples": samples}, path)
    loss = getattr(trainer.task, "last_loss", None)
    if isinstance(error, FloatingPointError) and loss is not None:
        finite = bool(torch.as_tensor(loss).isfinite())
        error.add_note(f"the loss of this worker's own batch is {float(loss)}")
        error.caused_elsewhere = finite  # type: ignore[attr-defined]
    error.add_note(f"update {trainer.get_num_updates()}, and its batch is in {path}")
