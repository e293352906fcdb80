"""Translation between two languages for models whose experts may live on several workers."""

import logging
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from fairseq import utils
from fairseq.data import Dictionary, LanguagePairDataset
from fairseq.dataclass import ChoiceEnum
from fairseq.tasks import register_task
from torch import Tensor

from moe_nmt.checkpoints.vocabulary import fingerprint
from moe_nmt.errors import UserError
from moe_nmt.options import option
from moe_nmt.search import Generator, SearchConfig, build_generator
from moe_nmt.search.build import check_other_search, other_search
from moe_nmt.search.unknown_words import UnknownWords
from moe_nmt.tasks.translation_on_workers import TranslationOnWorkersTask, WorkersConfig
from moe_nmt.training.launch import refuse_lone_worker

logger = logging.getLogger(__name__)

MANY = 0.3  # of the words typed in, unknown


@dataclass
class ExpertParallelTranslationConfig(SearchConfig, WorkersConfig):
    """Options of ``--task expert_parallel_translation``."""

    left_pad_source: bool = option(False, "recurrent encoders need the padding at the end")
    precision: ChoiceEnum(["fp32", "bf16"]) = option(  # type: ignore[valid-type]
        "fp32",
        "of the matrix products in training and validation; parameters, gates and losses stay fp32",
    )


@register_task("expert_parallel_translation", dataclass=ExpertParallelTranslationConfig)
class ExpertParallelTranslationTask(TranslationOnWorkersTask):
    """fairseq's translation task, made safe for recurrent models and for its users.

    Sources are padded at the end; no sentence is dropped from a batch; data that do not fit each
    other or the checkpoint are refused.  In a training on several workers each expert lives on one
    of them.
    """

    has_trainer = False

    def __init__(self, cfg: Any, src_dict: Dictionary, tgt_dict: Dictionary) -> None:
        super().__init__(cfg, src_dict, tgt_dict)
        self.unknown_words: UnknownWords | None = None
        if cfg.left_pad_source:
            raise UserError(
                "recurrent encoders need sources padded at the end: leave out --left-pad-source"
            )

    @classmethod
    def setup_task(cls, cfg: Any, **kwargs: Any) -> Any:
        """Reads the dictionaries of the data folder."""
        folder = utils.split_paths(cfg.data)[0]
        if not any(Path(folder).glob("dict.*.txt")):
            raise UserError(
                f"{folder} has no dictionaries: name a folder made by fairseq-preprocess"
            )
        return super().setup_task(cfg, **kwargs)

    def load_dataset(
        self, split: str, epoch: int = 1, combine: bool = False, **kwargs: Any
    ) -> None:
        """Loads a split and checks that its sides have equally many sentences, and not none."""
        for folder in utils.split_paths(self.cfg.data):
            if any(path.stat().st_size == 0 for path in Path(folder).glob(f"{split}.*.bin")):
                raise UserError(f"{split} in {folder} has no sentences")
        try:
            super().load_dataset(split, epoch=epoch, combine=combine, **kwargs)
        except FileNotFoundError as error:
            raise UserError(
                f"{self.cfg.data} has no {split}: binarise it, or name another split"
            ) from error
        except AssertionError as error:  # the only sign of it that fairseq gives
            raise UserError(
                f"{split} in {self.cfg.data}: {error}: binarise it again from files of equal length"
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
            generator = build_generator(self, models, args)
            self.unknown_words = generator.unknown_words
            return generator
        check_other_search(name, args)
        return super().build_generator(
            models, args, seq_gen_cls, extra_gen_cls_kwargs, prefix_allowed_tokens_fn
        )

    def inference_step(
        self,
        generator: Any,
        models: Any,
        sample: dict[str, Any],
        prefix_tokens: Tensor | None = None,
        constraints: Tensor | None = None,
    ) -> Any:
        """Translates a batch; of a blank sentence the translation is blank."""
        source = sample["net_input"]["src_tokens"]  # [sentences, source]
        pad, end = self.source_dictionary.pad(), self.target_dictionary.eos()
        is_blank = source.ne(pad).sum(1, keepdim=True) <= 1  # [sentences, 1]
        if prefix_tokens is None and isinstance(generator, Generator) and bool(is_blank.any()):
            prefix_tokens = torch.where(is_blank, end, self.target_dictionary.pad())
        return super().inference_step(generator, models, sample, prefix_tokens, constraints)

    def get_interactive_tokens_and_lengths(
        self, lines: list[str], encode_fn: Callable[[str], str]
    ) -> tuple[list[Tensor], list[int]]:
        """Reads sentences typed in by a user, and their unknown words where these are replaced."""
        if self.unknown_words is not None:
            self.unknown_words.add(encode_fn(line) for line in lines)
        tokens: tuple[list[Tensor], list[int]]
        tokens = super().get_interactive_tokens_and_lengths(lines, encode_fn)
        words = torch.cat(tokens[0])
        words = words[words != self.source_dictionary.eos()]
        unknown = int(words.eq(self.source_dictionary.unk()).sum())
        if unknown > MANY * len(words):
            logger.warning(
                "moe_nmt: %d of these %d words are unknown: fairseq-interactive reads what the "
                "model was trained on, subwords perhaps; for raw text use moe-nmt-pack and "
                "moe-nmt-translate, or give --bpe and --tokenizer",
                unknown,
                len(words),
            )
        return tokens

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

    def train_step(self, sample: Any, model: Any, *args: Any, **kwargs: Any) -> Any:
        """Runs forward and backward in the chosen precision."""
        with self.autocast(model):
            return super().train_step(sample, model, *args, **kwargs)

    def valid_step(self, sample: Any, model: Any, criterion: Any) -> Any:
        """Validates in the chosen precision."""
        with self.autocast(model):
            return super().valid_step(sample, model, criterion)

    def autocast(self, model: Any) -> torch.autocast:
        """The precision of matrix products on the model's device."""
        device = next(model.parameters()).device.type
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
                raise UserError(
                    f"the checkpoint was trained with another {side.split('_')[0]} "
                    f"vocabulary than that of {self.cfg.data}: use the data folder of its "
                    "training, or binarise with --srcdict and --tgtdict from it"
                )
