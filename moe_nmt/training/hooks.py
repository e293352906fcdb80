"""All that is changed in fairseq: what, why, and which of its lines make it necessary.

Few changes stay once the plugin is loaded, those of ``lasting``.  They look at a command's task and
model, and where one of these is ours the command runs with the others, those of ``changes``, in
place.  Whatever is neither runs as if this package were not there, but for what would only fail.

fairseq-hydra-train loads a --user-dir when it is past ``call_main``, unless its configuration names
``plugin.LoadsPlugin``; there the changes are in place from then on.

Besides these, ``checkpoints.reading.allow_fairseq_types`` names types to torch, by its own means.
"""

from __future__ import annotations

import functools
import io
import logging
import sys
from argparse import Namespace
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import torch
import torch.distributed as dist
from fairseq import checkpoint_utils, utils
from fairseq.data import TokenBlockDataset
from fairseq.distributed import utils as distributed_utils
from fairseq.file_io import PathManager
from fairseq.models import ARCH_MODEL_REGISTRY, MODEL_REGISTRY
from fairseq.tasks import TASK_REGISTRY
from fairseq.tasks.language_modeling import LanguageModelingTask
from torch import Tensor

from moe_nmt.checkpoints.reading import read
from moe_nmt.checkpoints.shards import refuse_sharded, remove_unnamed_experts
from moe_nmt.distributed import is_one_of_many, total_norm
from moe_nmt.distributed.gradients import by_workers
from moe_nmt.errors import UserError, ending_in_a_sentence
from moe_nmt.search.unknown_words import word_translations
from moe_nmt.training.combinations import refuse_combinations
from moe_nmt.training.launch import start, stopping_together
from moe_nmt.training.stopping import Stopping, save_and_stop
from moe_nmt.training.trainer import ExpertTrainer

logger = logging.getLogger(__name__)

PACKAGE = "moe_nmt."
TRAIN, INTERACTIVE = "fairseq_cli.train", "fairseq_cli.interactive"


class Change(NamedTuple):
    """A name of fairseq's, and what it is to mean: a function of what it meant."""

    owner: Any
    name: str
    instead: Callable[[Any], Any]

    def make(self) -> Any:
        """Puts it in place; what was there."""
        before = vars(self.owner)[self.name]
        setattr(self.owner, self.name, self.instead(getattr(self.owner, self.name)))
        return before

    def is_made(self) -> bool:
        """Whether it is in place."""
        return str(getattr(self.owner, self.name).__module__).startswith(PACKAGE)


def lasting() -> list[Change]:
    """The two doors, where a user's mistake becomes a sentence and an exit status; and a repair."""
    found = [
        # fairseq_cli/{train,hydra_train,validate,interactive,eval_lm}.py call it; it starts several
        # workers on GPUs only (distributed/utils.py, infer_init_method).
        Change(distributed_utils, "call_main", instead_of_call_main),
        # Of sentences it names numpy.compat and fails, for numpy 2 lacks it (data/
        # token_block_dataset.py); fairseq-eval-lm names no model of ours to know it by.
        Change(TokenBlockDataset, "_build_slice_indices", instead_of_slicing),
    ]
    if (generate := sys.modules.get("fairseq_cli.generate")) is not None:
        # Its cli_main calls main(args) past call_main.
        found.append(Change(generate, "main", instead_of_generating))
    if (interactive := sys.modules.get(INTERACTIVE)) is not None:
        # Its cli_main calls it on the way to call_main.
        found.append(Change(interactive, "convert_namespace_to_omegaconf", instead_of_converting))
    return found


def changes(stopping: Stopping) -> list[Change]:
    """What holds while a command with a task or a model of ours runs."""
    found = [
        # It gathers through CUDA tensors alone (distributed/utils.py, all_gather_list), and
        # fairseq_cli/validate.py and trainer.py need it on CPUs too.
        Change(distributed_utils, "all_gather_list", instead_of_gathering),
        # It takes the norm without experts (utils.py: "if not hasattr(p, 'expert')"), called by
        # every optimizer's clip_grad_norm, and so misses what overflows in half precision.
        Change(utils, "clip_grad_norm_", instead_of_clipping),
        # checkpoint_utils.save_checkpoint copies onto the last good checkpoint (file_io.py, copy):
        # a kill at that moment leaves half of it.
        Change(PathManager, "copy", instead_of_copying),
        # It removes old checkpoints itself, and not the experts beside them.
        Change(checkpoint_utils, "save_checkpoint", instead_of_saving),
        # generate, validate and interactive load by it; a bad file fails deep inside torch, an
        # absent one by an IOError.
        Change(checkpoint_utils, "load_model_ensemble_and_task", instead_of_loading),
        # It reads --replace-unk without a file as a file named "@@ "; see search/unknown_words.py.
        Change(utils, "load_align_dict", lambda _: word_translations),
    ]
    if (train := sys.modules.get(TRAIN)) is not None:
        # Its main names the class: "trainer = Trainer(cfg, task, model, criterion, quantizer)".
        found.append(Change(train, "Trainer", instead_of_trainer(stopping)))
        # Called after every update; a signal ends fairseq within one.
        found.append(Change(train, "validate_and_save", instead_of_validating))
    return found


def install() -> None:
    """Makes the lasting changes; again only where they are not made yet."""
    for change in lasting():
        if not change.is_made():
            change.make()
    if "fairseq_cli.hydra_train" in sys.modules:
        for change in not_made(Stopping()):
            change.make()


@contextmanager
def in_place() -> Iterator[None]:
    """Makes the other changes for as long as it lasts."""
    stopping = Stopping()
    with ExitStack() as stack:
        stack.callback(stopping.end)
        for change in not_made(stopping):
            stack.callback(setattr, change.owner, change.name, change.make())
        yield


def not_made(stopping: Stopping) -> list[Change]:
    """Those of ``changes`` that are not in place."""
    return [change for change in changes(stopping) if not change.is_made()]


def is_ours(*components: type | None) -> bool:
    """Whether one of some classes is of this package, or derived from one that is."""
    return any(
        base.__module__.startswith(PACKAGE)
        for component in components
        if component is not None
        for base in component.__mro__
    )


def names_ours(task: str | None, model: str | None) -> bool:
    """The same of a task and a model by the names of their registries."""
    models = ARCH_MODEL_REGISTRY.get(model), MODEL_REGISTRY.get(model)
    return is_ours(TASK_REGISTRY.get(task), *models)


def run(main: Callable[..., None], cfg: Any, **kwargs: Any) -> None:
    """Runs a command of ours on this worker, a child process of its own perhaps."""
    with ending_in_a_sentence(), in_place(), readable_input(main, cfg):
        stopping_together(main, cfg, **kwargs)
        is_first = not is_one_of_many() or dist.get_rank() == 0
        if main.__module__ == TRAIN and not cfg.checkpoint.no_save and is_first:
            say_what_comes_next(Path(cfg.checkpoint.save_dir), cfg.task)


@contextmanager
def readable_input(main: Callable[..., None], cfg: Any) -> Iterator[None]:
    """fairseq-interactive takes whatever bytes are typed in, and says what is wrong with a file."""
    if main.__module__ != INTERACTIVE:
        yield
        return
    if isinstance(sys.stdin, io.TextIOWrapper):
        sys.stdin.reconfigure(encoding="utf-8", errors="replace")
    try:
        yield
    except UnicodeDecodeError as error:
        raise UserError(
            f"--input {cfg.interactive.input} is not UTF-8: if it is LATIN1, say, make it UTF-8 "
            "first by iconv -f LATIN1 -t UTF-8"
        ) from error
    except (FileNotFoundError, IsADirectoryError) as error:
        if error.filename != cfg.interactive.input:
            raise
        raise UserError(f"--input {error.filename}: {error.strerror}") from error


def instead_of_converting(convert: Callable[[Namespace], Any]) -> Callable[[Namespace], Any]:
    """Refuses what hydra would refuse in its own words."""

    def checked_convert(args: Namespace) -> Any:
        if names_ours(args.task, getattr(args, "arch", None)):
            with ending_in_a_sentence():
                refuse_moses_without_languages(args)
        return convert(args)

    return checked_convert


def refuse_moses_without_languages(args: Namespace) -> None:
    """Stops where Moses' tokenizer would not know whose rules to take."""
    if args.tokenizer == "moses" and None in (args.source_lang, args.target_lang):
        raise UserError("--tokenizer moses needs both languages: give -s and -t, as in -s en -t de")


def say_what_comes_next(folder: Path, task: Any) -> None:
    """How to evaluate a language model, and how to use what has been trained."""
    names = ("checkpoint_best.pt", "checkpoint_last.pt")
    found = next((folder / name for name in names if (folder / name).exists()), None)
    if found is None:
        return
    if issubclass(TASK_REGISTRY[task._name], LanguageModelingTask):
        logger.info(
            "next: fairseq-eval-lm %s --user-dir moe_nmt --task %s --path %s "
            "--sample-break-mode %s --tokens-per-sample %s%s",
            *(task.data, task._name, found, task.sample_break_mode, task.tokens_per_sample),
            " --carry-state" if getattr(task, "carry_state", False) else "",
        )
    logger.info("next: moe-nmt-pack %s --output FOLDER", found)
    logger.info("then: moe-nmt-translate FOLDER < raw text")


def instead_of_call_main(call_main: Callable[..., None]) -> Callable[..., None]:
    """Starts our commands on several workers of every kind."""

    def call(cfg: Any, main: Callable[..., None], **kwargs: Any) -> None:
        names = [getattr(part, "_name", None) for part in (cfg.task, cfg.model)]
        if not names_ours(*names):
            call_main(cfg, main, **kwargs)
            return
        use_no_tpu(cfg.common)
        with ending_in_a_sentence():
            if main.__module__ == TRAIN:
                refuse_combinations(cfg)
            start(cfg, functools.partial(run, main), kwargs, call_main)

    return call


def instead_of_generating(main: Callable[..., Any]) -> Callable[..., Any]:
    """Translates; fairseq-generate starts no workers."""

    def generate(args: Any) -> Any:
        if not (isinstance(args, Namespace) and names_ours(args.task, getattr(args, "arch", None))):
            return main(args)
        use_no_tpu(args)
        with ending_in_a_sentence(), in_place():
            refuse_moses_without_languages(args)
            return main(args)

    return generate


def use_no_tpu(options: Any) -> None:
    """fairseq takes everybody who asks for bfloat16 to have a TPU (options.py)."""
    if options.tpu and utils.xm is None:  # torch_xla is not installed
        options.tpu = False


def instead_of_gathering(all_gather_list: Callable[..., list[Any]]) -> Callable[..., list[Any]]:
    """Gathers Python objects from all workers, on CPUs too."""

    def gather(data: Any, group: Any = None, max_size: int = 16384) -> list[Any]:
        if torch.cuda.is_available():
            return all_gather_list(data, group, max_size)
        found: list[Any] = [None] * dist.get_world_size(group)
        dist.all_gather_object(found, data, group)
        return found

    return gather


def instead_of_clipping(clip_grad_norm: Callable[..., Tensor]) -> Callable[..., Tensor]:
    """Clips by the norm of all gradients, those of every worker's experts among them."""

    def clip(params: Any, max_norm: float, aggregate_norm_fn: Any = None) -> Tensor:
        params = [params] if isinstance(params, Tensor) else list(params)
        if not by_workers(params):
            return clip_grad_norm(params, max_norm, aggregate_norm_fn)
        norm = total_norm(params)
        if max_norm > 0:
            torch.nn.utils.clip_grads_with_norm_(params, max_norm, norm)
        return norm

    return clip


def instead_of_trainer(stopping: Stopping) -> Callable[[Any], Any]:
    """The class to train a task and a model with, which knows of ``stopping``."""

    def instead(trainer: Callable[..., Any]) -> Callable[..., Any]:
        def trainer_for(cfg: Any, task: Any, model: Any, *args: Any) -> Any:
            if is_ours(type(task), type(model)):
                stopping.begin()
                return ExpertTrainer(cfg, task, model, *args, stopping=stopping)
            return trainer(cfg, task, model, *args)

        return trainer_for

    return instead


def instead_of_validating(validate_and_save: Callable[..., Any]) -> Callable[..., Any]:
    """Saves and ends where a signal came, but not between an epoch and its validation."""

    def validate_or_stop(
        cfg: Any, trainer: Any, task: Any, epoch_itr: Any, subsets: Any, end_of_epoch: bool
    ) -> Any:
        number = getattr(trainer, "stop_signal", 0)
        if number and not end_of_epoch:
            save_and_stop(cfg.checkpoint, trainer, epoch_itr, number)
        return validate_and_save(cfg, trainer, task, epoch_itr, subsets, end_of_epoch)

    return validate_or_stop


def instead_of_copying(copy: Callable[..., bool]) -> Any:
    """A copy appears at once or never."""

    def copy_and_rename(src_path: str, dst_path: str, overwrite: bool = False) -> bool:
        temporary = f"{dst_path}.part"
        copied = copy(src_path, temporary, overwrite=True)
        PathManager.rename(temporary, dst_path)
        return copied

    return staticmethod(copy_and_rename)


def instead_of_slicing(build: Callable[..., Any]) -> Any:
    """Cuts a text into blocks, one for each sentence of ``--sample-break-mode eos``."""

    def slice_indices(sizes: Any, break_mode: Any, *args: Any) -> Any:
        if str(break_mode) != "eos":
            return build(sizes, break_mode, *args)
        lengths = np.asarray(sizes, dtype=np.int64)  # [sentences]
        ends, number = lengths.cumsum(), np.arange(len(lengths))
        sentences = np.stack([number, np.zeros_like(number), number], axis=1)
        return lengths, sentences, np.stack([ends - lengths, ends], axis=1)

    return staticmethod(slice_indices)


def instead_of_saving(save_checkpoint: Callable[..., Any]) -> Callable[..., Any]:
    """Removes the folders of experts that a new checkpoint has made superfluous."""

    def save(cfg: Any, trainer: Any, *args: Any, **kwargs: Any) -> Any:
        saved = save_checkpoint(cfg, trainer, *args, **kwargs)
        if trainer.is_data_parallel_master and not cfg.no_save:
            remove_unnamed_experts(Path(cfg.save_dir))
        return saved

    return save


def instead_of_loading(load: Callable[..., Any]) -> Callable[..., Any]:
    """Refuses a checkpoint that cannot be used in one sentence."""

    def checked_load(
        filenames: Any, arg_overrides: Any = None, task: Any = None, *args: Any, **kwargs: Any
    ) -> Any:
        # fairseq-validate names no task, and nobody does for --lm-path, which may be a file of old.
        for path in map(Path, filter(PathManager.exists, filenames)):
            if is_ours(type(task)) or (task is None and begins_as_archive(path)):
                refuse_sharded(path, read(path))
        try:
            return load(filenames, arg_overrides, task, *args, **kwargs)
        except OSError as error:
            if not str(error).startswith("Model file not found"):
                raise
            raise UserError(str(error)) from error

    return checked_load


def begins_as_archive(path: Path) -> bool:
    """Whether a file is a checkpoint of today's torch, whole or cut off; old ones are no zip."""
    if not path.is_file():
        return False
    with path.open("rb") as file:
        return file.read(2) == b"PK"
