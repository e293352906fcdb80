"""The search as fairseq's commands call it."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from fairseq import utils
from fairseq.data import Dictionary
from torch import Tensor

from moe_nmt.errors import UserError
from moe_nmt.models.gnmt_moe import GNMTMoEModel
from moe_nmt.search.beam import Beam
from moe_nmt.search.beam_search import BeamSearch, SearchOptions, Words
from moe_nmt.search.ensemble import Ensemble
from moe_nmt.search.history import Hypothesis
from moe_nmt.search.unknown_words import UnknownWords

# of attention [target, source], source [source], target [target], the pad and the end of sentence
ALIGNMENTS: dict[str, Callable[..., list[Any]]] = {
    "hard": utils.extract_hard_alignment,
    "soft": utils.extract_soft_alignment,
}


@dataclass(frozen=True)
class LengthLimit:
    """The greatest length of a translation of x source tokens: a x + b, both without the end.

    x counts the source's own end of sentence, as fairseq does, but no padding: a translation does
    not depend on its batch.
    """

    a: float = 0.0
    b: int = 200

    def __call__(self, source: Tensor) -> Tensor:
        """[sentences] int64, the lengths of the sources -> [sentences] int64."""
        return (self.a * source + self.b).long()


class Generator:
    """Translates batches with an ensemble of models.

    Args:
        models: with one target vocabulary.
        dictionary: that vocabulary.
        options: of the search.
        limit: of the length.
        temperature: the logits are divided by it.
        alignment: "hard", "soft" or None.
        unknown_words: replaces them; None: they stay.
        score_reference: give the reference its score instead of searching.
    """

    def __init__(
        self,
        models: Sequence[GNMTMoEModel],
        dictionary: Dictionary,
        options: SearchOptions,
        limit: LengthLimit,
        temperature: float = 1.0,
        alignment: str | None = None,
        unknown_words: UnknownWords | None = None,
        score_reference: bool = False,
    ) -> None:
        self.models = list(models)
        for model in models:
            model.eval()
        self.pad, self.eos, unknown = dictionary.pad(), dictionary.eos(), dictionary.unk()
        self.search = BeamSearch(options, Words(self.pad, self.eos, unknown))
        self.limit = limit
        self.temperature = temperature
        self.alignment = alignment
        self.unknown_words = unknown_words
        self.score_reference = score_reference

    @torch.no_grad()
    def generate(
        self,
        models: Sequence[GNMTMoEModel],
        sample: dict[str, Any],
        prefix_tokens: Tensor | None = None,
        constraints: Tensor | None = None,
        bos_token: int | None = None,
    ) -> list[list[dict[str, Any]]]:
        """Translates a batch.

        Args:
            models: those of the constructor; fairseq names them again.
            sample: of fairseq's translation task.
            prefix_tokens: [sentences, any], how translations have to begin, padded at the end.
            constraints: must be None.
            bos_token: what the decoder reads first; the end of sentence by default.

        Returns:
            For every sentence the n best hypotheses, the best first: ``tokens`` [target],
            ``score``, ``attention`` [source, target], ``alignment``, and ``positional_scores``
            [target], which add up to log P.
        """
        if constraints is not None:
            raise ValueError("moe_nmt: this search knows no constraints")
        source = sample["net_input"]["src_tokens"]  # [sentences, source]
        padding = source.eq(self.pad)
        lengths = (~padding).sum(1)
        limit = self.limit(lengths)
        if self.score_reference:
            prefix_tokens = sample["target"]
            limit = limit.clamp_min(prefix_tokens.size(1))
        self.check(limit)
        prefix = source[:, :0] if prefix_tokens is None else prefix_tokens
        first = self.eos if bos_token is None else bos_token
        read = source if self.unknown_words is None else self.unknown_words.as_unknown(source)
        ensemble = Ensemble(self.models, read, self.temperature)
        beam = Beam.start(padding, limit, prefix, first, self.search.options.nbest)
        try:
            found = self.search(ensemble, beam)
        except FloatingPointError as error:
            raise UserError(f"{error}: use an earlier checkpoint") from error
        return [
            [self.as_fairseq(hypothesis, source[i, : int(lengths[i])]) for hypothesis in best]
            for i, best in enumerate(found)
        ]

    def check(self, limit: Tensor) -> None:
        """Stops where translations would have to be longer than they may be."""
        least = self.search.options.min_length
        if bool((limit < least).any()):
            raise UserError(
                f"--min-len {least} is greater than the greatest length of a translation, "
                f"{int(limit.min())}: raise --max-len-a or --max-len-b"
            )

    def as_fairseq(self, hypothesis: Hypothesis, source: Tensor) -> dict[str, Any]:
        """What fairseq's commands expect of a hypothesis; source: [source], without padding."""
        tokens = hypothesis.tokens
        attention = hypothesis.attention[:, : source.size(0)]  # [target, source]
        alignment: list[Any] = []
        if self.alignment is not None:
            cpu = [tensor.cpu() for tensor in (attention, source, tokens)]
            alignment = ALIGNMENTS[self.alignment](*cpu, self.pad, self.eos)
        if self.unknown_words is not None:
            tokens = self.unknown_words.replace(tokens, attention, source)
        return {
            "tokens": tokens,
            "score": hypothesis.score,
            "attention": attention.t(),
            "alignment": alignment,
            "positional_scores": hypothesis.log_p,
            "steps": tokens.numel(),
        }
