"""Language modelling for models whose experts may live on several workers."""

import logging
import math
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
import torch.distributed as dist
from fairseq import utils
from fairseq.data import Dictionary
from fairseq.logging import metrics
from fairseq.tasks import register_task
from fairseq.tasks.language_modeling import LanguageModelingConfig, LanguageModelingTask
from torch import Tensor

from moe_nmt.checkpoints.vocabulary import fingerprint
from moe_nmt.corpus.subwords.word_ends import word_ends
from moe_nmt.errors import UserError
from moe_nmt.modules.lstm import LSTMState
from moe_nmt.options import option
from moe_nmt.tasks.on_workers import OnWorkers, WorkersConfig
from moe_nmt.tasks.streams import Streams
from moe_nmt.training.launch import is_one_of_many

logger = logging.getLogger(__name__)


@dataclass
class ExpertParallelLanguageModelingConfig(WorkersConfig, LanguageModelingConfig):
    """Options of ``--task expert_parallel_language_modeling``."""

    carry_state: bool = option(
        False,
        "read the text as --batch-size streams, each block going on with the state after the block "
        "before; needs --sample-break-mode none",
    )


@register_task("expert_parallel_language_modeling", dataclass=ExpertParallelLanguageModelingConfig)
class ExpertParallelLanguageModelingTask(OnWorkers, LanguageModelingTask):
    """fairseq's language modelling task, made safe for its users.

    Data that do not fit the checkpoint are refused.  In a training on several workers each expert
    lives on one of them.
    """

    def __init__(self, cfg: Any, *args: Any, **kwargs: Any) -> None:
        super().__init__(cfg, *args, **kwargs)
        self.cfg = cfg  # fairseq's task is of the older kind, which calls its options args
        self.carried: dict[bool, Any] = {}  # the model's
        self.carried_by_worker: list[Any] = []  # its training state of each one's streams
        self.counted_words = counted_words(self.dictionary)
        if cfg.carry_state and str(cfg.sample_break_mode) != "none":
            raise UserError(
                "--carry-state goes on from block to block: it needs --sample-break-mode none"
            )

    @classmethod
    def setup_task(cls, cfg: Any, **kwargs: Any) -> Any:
        """Reads the dictionary of the data folder."""
        folder = Path(utils.split_paths(cfg.data)[0])
        if not (folder / "dict.txt").is_file():
            raise UserError(
                f"{folder} has no dict.txt: name a folder made by fairseq-preprocess --only-source"
            )
        return super().setup_task(cfg, **kwargs)

    def load_dataset(self, split: str, epoch: int = 1, combine: bool = False, **kwargs: Any) -> Any:
        """Loads a split that has text."""
        for folder in utils.split_paths(self.cfg.data):
            if any(path.stat().st_size == 0 for path in Path(folder).glob(f"{split}.bin")):
                raise UserError(f"{split} in {folder} has no text")
        try:
            super().load_dataset(split, epoch=epoch, combine=combine, **kwargs)
        except FileNotFoundError as error:
            raise UserError(
                f"{self.cfg.data} has no {split}: binarise it, or name another split"
            ) from error
        if self.cfg.carry_state:
            self.datasets[split] = Streams(self.datasets[split])

    def build_model(self, cfg: Any, from_checkpoint: bool = False) -> Any:
        """Builds this worker's part of a model to train, or the whole of a finished one."""
        model = super().build_model(cfg, from_checkpoint)
        if self.cfg.carry_state:
            self.carried = model.decoder.carried
        return model

    def get_batch_iterator(self, dataset: Any, *args: Any, **kwargs: Any) -> Any:
        """Batches a text; its streams stay in order, in training too."""
        if not isinstance(dataset, Streams):
            return super().get_batch_iterator(dataset, *args, **kwargs)
        rows = kwargs.get("max_sentences")
        if rows is None and self.is_trained_on(dataset):
            raise UserError("--carry-state needs to know its streams: give --batch-size N")
        dataset.divide(rows or 1, kwargs.get("num_shards", 1))
        iterator = super().get_batch_iterator(dataset, *args, **kwargs)
        iterator.disable_shuffling = True
        return iterator

    def eval_lm_dataloader(self, dataset: Any, *args: Any, **kwargs: Any) -> Any:
        """The batches of fairseq-eval-lm."""
        if self.cfg.carry_state and kwargs.get("context_window"):
            raise UserError("with --carry-state all of the text is context: no --context-window")
        return super().eval_lm_dataloader(dataset, *args, **kwargs)

    def valid_step(self, sample: Any, model: Any, criterion: Any) -> Any:
        """Validates a batch, and counts its words where the vocabulary is of subwords."""
        loss, sample_size, log = super().valid_step(sample, model, criterion)
        if self.counted_words is not None:
            words = sample["target"].cpu() if sample else []
            log["words"] = int(self.counted_words[words].sum())
        return loss, sample_size, log

    def reduce_metrics(self, logging_outputs: list[dict[str, Any]], criterion: Any) -> None:
        """Logs the perplexity per word as well, </s> being one."""
        super().reduce_metrics(logging_outputs, criterion)
        if words := sum(log.get("words", 0) for log in logging_outputs):
            bits = sum(log["nll_loss"] for log in logging_outputs) / math.log(2)
            metrics.log_scalar("word_nll_loss", bits / words, words, round=3)
            metrics.log_derived(
                "word_ppl", lambda meters: utils.get_perplexity(meters["word_nll_loss"].avg)
            )

    def consolidate(self) -> None:
        """Collects the state that each worker carries."""
        own = [tuple(tensor.cpu() for tensor in layer) for layer in self.carried.get(True, [])]
        self.carried_by_worker = [own]
        if self.cfg.carry_state and is_one_of_many():
            self.carried_by_worker = [own] * dist.get_world_size()
            dist.all_gather_object(self.carried_by_worker, own)

    def state_dict(self) -> dict[str, Any]:
        """What a checkpoint keeps of the task: its vocabulary, and the state carried."""
        state: dict[str, Any] = {"words": fingerprint(self.dictionary)}
        if any(self.carried_by_worker):
            state["carried"] = self.carried_by_worker
        return state

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Refuses a checkpoint of another vocabulary; goes on where its training was."""
        if self.has_trainer and self.cfg.carry_state and "carried" in state_dict:
            then = len(state_dict["carried"])
            rank, workers = (dist.get_rank(), dist.get_world_size()) if is_one_of_many() else (0, 1)
            if then == workers:
                if own := state_dict["carried"][rank]:
                    self.carried[True] = [LSTMState(*layer) for layer in own]
            else:
                logger.warning(
                    "the streams of text start anew: the checkpoint has the state of %d workers' "
                    "streams, and here are %d workers",
                    *(then, workers),
                )
        now = fingerprint(self.dictionary)
        if state_dict.get("words", now) != now:
            raise UserError(
                f"the checkpoint was trained with another vocabulary than that of {self.cfg.data}: "
                "use the data folder of its training, or binarise with --srcdict from it"
            )


def counted_words(dictionary: Dictionary) -> Tensor | None:
    """1 for each entry that counts as a word, unknown ones and </s> among them; None: all do."""
    ends = word_ends(dictionary.symbols[dictionary.nspecial :])
    if ends is None:
        return None
    counts = torch.tensor([0] * dictionary.nspecial + ends)  # [entries] int64
    counts[dictionary.eos()] = counts[dictionary.unk()] = 1
    return counts
