"""Translation between two languages for models whose experts may live on several workers."""

import hashlib
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from fairseq import utils
from fairseq.data import Dictionary, LanguagePairDataset
from fairseq.dataclass import ChoiceEnum
from fairseq.logging import metrics
from fairseq.tasks import register_task
from fairseq.tasks.fairseq_task import FairseqTask
from fairseq.tasks.translation import EVAL_BLEU_ORDER, TranslationConfig, TranslationTask
from torch import Tensor

from moe_nmt.distributed import ExpertParallel, Workers, whole_parameters
from moe_nmt.launch import is_one_of_many, refuse_lone_worker
from moe_nmt.options import option
from moe_nmt.search import SearchConfig, build_generator
from moe_nmt.search.build import check_other_search, other_search
from moe_nmt.search.unknown_words import UnknownWords

# What fairseq logs of BLEU, in its order, which all workers have to share.
BLEU_COUNTS = ["_bleu_sys_len", "_bleu_ref_len"]
for order in range(EVAL_BLEU_ORDER):
    BLEU_COUNTS += [f"_bleu_counts_{order}", f"_bleu_totals_{order}"]


@dataclass
class ExpertParallelTranslationConfig(SearchConfig, TranslationConfig):
    """Options of ``--task expert_parallel_translation``."""

    left_pad_source: bool = option(False, "recurrent encoders need the padding at the end")
    precision: ChoiceEnum(["fp32", "bf16"]) = option(  # type: ignore[valid-type]
        "fp32",
        "of the matrix products in training and validation; parameters, gates and losses stay fp32",
    )
    expert_parallel_size: int = option(
        0, "how many workers share one copy of the experts; 0 for all, so that there is one copy"
    )


@register_task("expert_parallel_translation", dataclass=ExpertParallelTranslationConfig)
class ExpertParallelTranslationTask(TranslationTask):
    """fairseq's translation task, made safe for recurrent models and for its users.

    Sources are padded at the end; no sentence is dropped from a batch; data that do not fit each
    other or the checkpoint are refused.  In a training on several workers each expert lives on one
    of them.
    """

    last_loss: Tensor | None = None  # of this worker's last batch

    def __init__(self, cfg: Any, src_dict: Dictionary, tgt_dict: Dictionary) -> None:
        super().__init__(cfg, src_dict, tgt_dict)
        self.unknown_words: UnknownWords | None = None
        if cfg.left_pad_source:
            raise SystemExit(
                "moe_nmt: recurrent encoders need sources padded at the end: "
                "leave out --left-pad-source"
            )
        self.workers = Workers()

    @classmethod
    def setup_task(cls, cfg: Any, **kwargs: Any) -> Any:
        """Reads the dictionaries of the data folder."""
        folder = utils.split_paths(cfg.data)[0]
        if not any(Path(folder).glob("dict.*.txt")):
            raise SystemExit(
                f"moe_nmt: {folder} has no dictionaries: name a folder made by fairseq-preprocess"
            )
        return super().setup_task(cfg, **kwargs)

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
                    raise SystemExit(f"moe_nmt: --expert-parallel-size: {error}") from error
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

    def load_dataset(
        self, split: str, epoch: int = 1, combine: bool = False, **kwargs: Any
    ) -> None:
        """Loads a split and checks that its sides have equally many sentences, and not none."""
        for folder in utils.split_paths(self.cfg.data):
            if any(path.stat().st_size == 0 for path in Path(folder).glob(f"{split}.*.bin")):
                raise SystemExit(f"moe_nmt: {split} in {folder} has no sentences")
        try:
            super().load_dataset(split, epoch=epoch, combine=combine, **kwargs)
        except FileNotFoundError as error:
            raise SystemExit(
                f"moe_nmt: {self.cfg.data} has no {split}: binarise it, or name another split"
            ) from error
        except AssertionError as error:  # the only sign of it that fairseq gives
            raise SystemExit(
                f"moe_nmt: {split} in {self.cfg.data}: {error}: "
                "binarise it again from files of equal length"
            ) from error

    def build_dataset_for_inference(
        self, src_tokens: list[Tensor], src_lengths: list[int], constraints: Tensor | None = None
    ) -> LanguagePairDataset:
        """Wraps sentences typed in by a user."""
        return LanguagePairDataset(
            src_tokens,
            src_lengths,
            self.source_dictionary,
            tgt_dict=self.target_dictionary,
            left_pad_source=False,
            constraints=constraints,
        )

    def build_generator(
        self,
        models: Any,
        args: Any,
        seq_gen_cls: Any = None,
        extra_gen_cls_kwargs: Any = None,
        prefix_allowed_tokens_fn: Any = None,
    ) -> Any:
        """GNMT's beam search, or what fairseq has for another kind of search."""
        name = other_search(models, args)
        if prefix_allowed_tokens_fn is not None:
            name = "prefix_allowed_tokens_fn"
        if name is None:
            # fairseq-interactive is the only command that gives no arguments for a language model
            interactive = extra_gen_cls_kwargs is None
            generator = build_generator(self, models, args, interactive)
            self.unknown_words = generator.unknown_words
            return generator
        check_other_search(name, args)
        return super().build_generator(
            models, args, seq_gen_cls, extra_gen_cls_kwargs, prefix_allowed_tokens_fn
        )

    def get_interactive_tokens_and_lengths(
        self, lines: list[str], encode_fn: Callable[[str], str]
    ) -> tuple[list[Tensor], list[int]]:
        """Reads sentences typed in by a user, and their unknown words where these are replaced."""
        if self.unknown_words is not None:
            self.unknown_words.add(encode_fn(line) for line in lines)
        tokens: tuple[list[Tensor], list[int]]
        tokens = super().get_interactive_tokens_and_lengths(lines, encode_fn)
        return tokens

    def can_reuse_epoch_itr(self, dataset: Any) -> bool:
        """Lets every epoch of training make its own batches.

        fairseq would keep those of the first one, but of the epoch in which a resumed training
        starts: the two would part.
        """
        return dataset is not self.datasets.get(self.cfg.train_subset)

    def get_batch_iterator(self, dataset: Any, *args: Any, **kwargs: Any) -> Any:
        """Batches a dataset without dropping sentences.

        fairseq's --required-batch-size-multiple (8 by default) silently drops what is left over;
        nothing here gains from multiples, so the task always uses 1.  Outside of training, no
        sentence is too long either.
        """
        refuse_lone_worker(
            "give each its part with --distributed-world-size, --distributed-rank and a "
            "--results-path of its own, as docs/distributed.md shows",
            kwargs.get("num_shards", 1),
        )
        kwargs["required_batch_size_multiple"] = 1
        if dataset is not self.datasets.get(self.cfg.train_subset):
            kwargs["max_positions"] = None
            if kwargs.get("max_tokens") is not None:
                longest = max(dataset.num_tokens(index) for index in range(len(dataset)))
                kwargs["max_tokens"] = max(kwargs["max_tokens"], longest)
        return super().get_batch_iterator(dataset, *args, **kwargs)

    def train_step(self, sample: Any, *args: Any, **kwargs: Any) -> Any:
        """Runs forward and backward in the chosen precision."""
        self.workers.bytes_sent = 0
        with self.autocast(sample):
            loss, sample_size, log = super().train_step(sample, *args, **kwargs)
        self.last_loss = log.get("nll_loss", loss)
        if is_one_of_many():
            self.sequence_generator = None  # and the whole model of the last validation with it
            log["bytes_sent"] = self.workers.bytes_sent
        return loss, sample_size, log

    def valid_step(self, sample: Any, model: Any, criterion: Any) -> Any:
        """Validates in the chosen precision."""
        if not sample:
            sample = self.empty_batch()
            if next(model.parameters()).is_cuda:
                sample = utils.move_to_cuda(sample)
        with self.autocast(sample):
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

    def autocast(self, sample: dict[str, Any]) -> torch.autocast:
        """The precision of matrix products on the sample's device."""
        device = sample["target"].device.type
        return torch.autocast(device, torch.bfloat16, enabled=str(self.cfg.precision) == "bf16")

    def state_dict(self) -> dict[str, Any]:
        """What a checkpoint keeps of the task: which vocabulary the model was trained with."""
        return {
            "source_words": fingerprint(self.src_dict),
            "target_words": fingerprint(self.tgt_dict),
        }

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Refuses a checkpoint of another vocabulary."""
        for side, value in self.state_dict().items():
            if state_dict.get(side, value) != value:
                raise SystemExit(
                    f"moe_nmt: the checkpoint was trained with another {side.split('_')[0]} "
                    f"vocabulary than that of {self.cfg.data}: use the data folder of its "
                    "training, or binarise with --srcdict and --tgtdict from it"
                )


def fingerprint(dictionary: Dictionary) -> str:
    """A hash of the words and their order; counts do not matter."""
    words = "\n".join(dictionary.symbols)
    return f"{len(dictionary)} words, sha256 {hashlib.sha256(words.encode()).hexdigest()}"
