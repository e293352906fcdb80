"""Translation between two languages for models whose experts may live on several workers."""

import logging
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from fairseq import utils
from fairseq.data import Dictionary, LanguagePairDataset
from fairseq.tasks import register_task
from fairseq.tasks.translation import TranslationConfig
from torch import Tensor

from moe_nmt.checkpoints.vocabulary import fingerprint
from moe_nmt.errors import UserError
from moe_nmt.options import option
from moe_nmt.search import Generator, SearchConfig, build_generator
from moe_nmt.search.build import check_other_search, other_search
from moe_nmt.search.unknown_words import UnknownWords
from moe_nmt.tasks.bleu_on_workers import BleuOnWorkers
from moe_nmt.tasks.on_workers import WorkersConfig

logger = logging.getLogger(__name__)

MANY = 0.3  # of the words typed in, unknown


@dataclass
class ExpertParallelTranslationConfig(SearchConfig, WorkersConfig, TranslationConfig):
    """Options of ``--task expert_parallel_translation``."""

    left_pad_source: bool = option(False, "recurrent encoders need the padding at the end")


@register_task("expert_parallel_translation", dataclass=ExpertParallelTranslationConfig)
class ExpertParallelTranslationTask(BleuOnWorkers):
    """fairseq's translation task, made safe for recurrent models and for its users.

    Sources are padded at the end; no sentence is dropped from a batch; data that do not fit each
    other or the checkpoint are refused.  In a training on several workers each expert lives on one
    of them.
    """

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
