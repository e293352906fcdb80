"""Language models go on with beginnings, by fairseq's search: that of fairseq-generate for them.

Two things differ from its commands.  After the beginning no unknown word is written.  And words
that are drawn follow from random numbers that each sentence has of its own, so that they depend on
no other sentence, thread or batch.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import torch
from fairseq import search
from fairseq.data import Dictionary
from fairseq.sequence_generator import SequenceGenerator
from torch import Tensor

from moe_nmt.errors import LimitError, UserError
from moe_nmt.models.language_model import LSTMMoELanguageModel


@dataclass(frozen=True)
class Sampling:
    """Which words are drawn from.

    Args:
        topk: the most likely ones, so many; 0: all of them.
        topp: of these the most likely ones, as few as have this share of their probability.
    """

    topk: int = 0
    topp: float = 1.0

    def __post_init__(self) -> None:
        if self.topk < 0:
            raise LimitError("topk", f"must be at least 0, not {self.topk}")
        if not 0 < self.topp <= 1:
            raise LimitError("topp", f"must be greater than 0 and at most 1, not {self.topp}")


@dataclass(frozen=True)
class ContinuationOptions:
    """How to go on.

    Args:
        beam: hypotheses that are followed; of samples, how many there are.
        length_exponent: the score is log P over this power of the length.
        temperature: the logits are divided by it.
        sampling: what is drawn from; None: the best are searched for.
    """

    beam: int = 5
    length_exponent: float = 1.0
    temperature: float = 1.0
    sampling: Sampling | None = None

    def __post_init__(self) -> None:
        if self.beam < 1:
            raise LimitError("beam", f"must be at least 1, not {self.beam}")
        if not math.isfinite(self.length_exponent):
            raise LimitError("length_exponent", f"must be finite, not {self.length_exponent}")
        if not 0 < self.temperature < math.inf:
            raise LimitError(
                "temperature", f"must be greater than 0 and finite, not {self.temperature}"
            )


def continued(
    models: Sequence[LSTMMoELanguageModel],
    dictionary: Dictionary,
    beginnings: Tensor,
    most: int,
    options: ContinuationOptions,
    seeds: Sequence[int],
) -> list[list[dict[str, Any]]]:
    """Goes on with beginnings of one length.

    Args:
        models: in evaluation mode, with one vocabulary; several are an ensemble.
        dictionary: that vocabulary.
        beginnings: [sentences, words] int64, without ends of sentences.
        most: words that may follow, the end of sentence not counted.
        options: how.
        seeds: of the random numbers of each sentence.

    Returns:
        For every sentence as many hypotheses as the beam has, the best first: ``tokens`` [words],
        the beginning and the end of sentence among them, and ``score``.

    Raises:
        UserError: the models compute nan.
    """
    begun, end = beginnings.size(1), dictionary.eos()
    strategy: search.Search
    if options.sampling is None:
        strategy = BestWords(dictionary, begun)
    else:
        strategy = DrawnWords(dictionary, begun, options.sampling, seeds)
    generator = SequenceGenerator(
        list(models),
        dictionary,
        beam_size=options.beam,
        max_len_a=0,
        max_len_b=begun + most,
        len_penalty=options.length_exponent,
        temperature=options.temperature,
        search_strategy=strategy,
    )
    read = torch.nn.functional.pad(beginnings, (1, 0), value=end)
    sample = {"net_input": {"src_tokens": read, "src_lengths": read.ne(dictionary.pad()).sum(1)}}
    try:
        found: list[list[dict[str, Any]]] = generator.generate(
            list(models), sample, prefix_tokens=beginnings, bos_token=end
        )
    except FloatingPointError as error:
        raise UserError(f"{error}: use an earlier checkpoint") from error
    return found


def bar_all_but_words(log_p: Tensor, dictionary: Dictionary, is_begun: bool) -> None:
    """Takes away what is no word, after the beginning: log_p [sentences, beam, words], in place."""
    if not bool(log_p.amax(-1).isfinite().all()):  # fairseq has taken nan for impossible
        raise FloatingPointError("the model computes nan")
    if is_begun:
        log_p[:, :, [dictionary.unk(), dictionary.bos()]] = -math.inf


class BestWords(search.BeamSearch):
    """fairseq's beam search among words.

    Args:
        dictionary: of the words.
        begun: length of the beginning.
    """

    def __init__(self, dictionary: Dictionary, begun: int) -> None:
        super().__init__(dictionary)
        self.dictionary, self.begun = dictionary, begun

    def step(self, step: int, lprobs: Tensor, *others: Any) -> Any:
        """See ``Search.step``: lprobs [sentences, beam, words]."""
        bar_all_but_words(lprobs, self.dictionary, step >= self.begun)
        return super().step(step, lprobs, *others)


class DrawnWords(search.Search):
    """Draws a word for each hypothesis.

    Args:
        dictionary: of the words.
        begun: length of the beginning.
        sampling: what is drawn from.
        seeds: of the random numbers of each sentence.
    """

    def __init__(
        self, dictionary: Dictionary, begun: int, sampling: Sampling, seeds: Sequence[int]
    ) -> None:
        super().__init__(dictionary)
        self.dictionary, self.begun = dictionary, begun
        self.sampling = sampling
        self.generators = [torch.Generator().manual_seed(seed) for seed in seeds]

    def step(
        self,
        step: int,
        lprobs: Tensor,
        scores: Tensor,
        prev_output_tokens: Tensor,
        original_batch_idxs: Tensor,
    ) -> tuple[Tensor, Tensor, Tensor]:
        """See ``Search.step``.

        Args:
            step: how many words there are.
            lprobs: [sentences, beam, words].
            scores: [sentences, beam, steps], log P up to each.
            prev_output_tokens: not needed.
            original_batch_idxs: [sentences] int64, their places in the whole batch.

        Returns:
            log P, word and hypothesis of each continuation, [sentences, beam] each.
        """
        bar_all_but_words(lprobs, self.dictionary, step >= self.begun)
        beam = lprobs.size(1)
        uniform = torch.stack(
            [
                torch.rand(beam, generator=self.generators[sentence])
                for sentence in original_batch_idxs.tolist()
            ]
        ).to(lprobs.device)  # [sentences, beam] float32
        word = drawn(lprobs, uniform, self.sampling)
        total = lprobs.gather(2, word[:, :, None])[:, :, 0]
        if step:
            total = total + scores[:, :, step - 1]
        return total, word, torch.arange(beam, device=word.device).expand_as(word)


def drawn(log_p: Tensor, uniform: Tensor, sampling: Sampling) -> Tensor:
    """Words by random numbers from [0, 1), one for each distribution.

    Args:
        log_p: [..., words].
        uniform: [...] float32.
        sampling: which words are drawn from.

    Returns:
        [...] int64.
    """
    order: Tensor | None = None
    if 0 < sampling.topk < log_p.size(-1):
        log_p, order = log_p.topk(sampling.topk)
    elif sampling.topp < 1:
        log_p, order = log_p.sort(descending=True)
    p = log_p.double().exp()
    if sampling.topp < 1:
        before = p.cumsum(-1) - p
        p = p.masked_fill(before >= sampling.topp * p.sum(-1, keepdim=True), 0.0)
    until = p.cumsum(-1)
    place = uniform.double() * until[..., -1]  # before the end, as float32 ends before 1
    rank = torch.searchsorted(until, place[..., None], right=True)
    return rank[..., 0] if order is None else order.gather(-1, rank)[..., 0]
