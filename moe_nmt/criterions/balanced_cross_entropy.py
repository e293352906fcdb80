"""Label-smoothed cross entropy plus the gates' balancing losses (section 4)."""

import math
from dataclasses import dataclass
from typing import Any, NamedTuple

import torch
from fairseq import utils
from fairseq.criterions import FairseqCriterion, register_criterion
from fairseq.dataclass import FairseqDataclass
from fairseq.logging import metrics
from fairseq.modules import AdaptiveSoftmax
from omegaconf import II
from torch import Tensor
from torch.nn import functional

from moe_nmt.errors import UserError
from moe_nmt.modules.projected_loss import TokenLosses, projected_cross_entropy
from moe_nmt.modules.sampled_loss import draw, sampled_cross_entropy
from moe_nmt.moe.balance import balance_figures, importance_loss, load_loss
from moe_nmt.moe.routing import Routing, where_true
from moe_nmt.options import option


class Figures(NamedTuple):
    """What is logged of every mixture, each figure after the mixture's name."""

    importance_cv: Tensor  # []
    load_cv: Tensor  # []
    max_over_mean_load: Tensor  # []
    importance_loss: Tensor  # []
    load_loss: Tensor  # []
    gate_loss: Tensor  # []


@dataclass
class BalancedCrossEntropyConfig(FairseqDataclass):
    """Options of ``--criterion balanced_cross_entropy``."""

    label_smoothing: float = option(0.0, "share of the target's probability given to other words")
    importance_weight: float = option(0.01, "w_importance, the weight of CV(Importance)^2")
    load_weight: float = option(0.01, "w_load, the weight of CV(Load)^2")
    sampled_words: int = option(
        0,
        "in training, estimate the softmax from the different words among so many draws, by "
        "frequency; 0: compute it. Evaluation always computes it",
    )
    sentence_avg: bool = II("optimization.sentence_avg")


@register_criterion("balanced_cross_entropy", dataclass=BalancedCrossEntropyConfig)
class BalancedCrossEntropy(FairseqCriterion):
    """The training loss of a model with mixtures of experts.

    For every mixture it adds w_importance CV(Importance)^2 + w_load CV(Load)^2 and the gate's own
    loss, each as a mean over the batch.  The perplexity is that of the translation alone.
    """

    def __init__(
        self,
        task: Any,
        label_smoothing: float,
        importance_weight: float,
        load_weight: float,
        sampled_words: int,
        sentence_avg: bool,
    ) -> None:
        super().__init__(task)
        if not 0 <= label_smoothing < 1:
            raise UserError(f"--label-smoothing must be in [0, 1), not {label_smoothing}")
        if sampled_words < 0:
            raise UserError(f"--sampled-words cannot be negative, as {sampled_words} is")
        if sampled_words and label_smoothing:
            raise UserError(
                "--sampled-words cannot smooth over words that are not there: leave out "
                "--label-smoothing"
            )
        self.label_smoothing = label_smoothing
        self.sampled_words = sampled_words
        self.importance_weight = importance_weight
        self.load_weight = load_weight
        self.sentence_avg = sentence_avg

    def forward(
        self, model: Any, sample: dict[str, Any], reduce: bool = True
    ) -> tuple[Tensor, int, dict[str, Any]]:
        """Returns the summed loss, the size that divides it, and what is logged."""
        features, extra = model(**sample["net_input"], features_only=True)
        target = sample["target"].flatten()  # [batch * target]
        index = where_true(target.ne(self.padding_idx), sample["ntokens"])  # [tokens]
        features = features.flatten(0, 1).index_select(0, index)  # [tokens, dim]
        losses = self.token_losses(features, model.decoder, target[index])
        sample_size = sample["nsentences"] if self.sentence_avg else sample["ntokens"]
        balance, log = self.balance(extra["routings"])
        loss = losses.smoothed + sample_size * balance
        # All are sums, so that workers and batches can be added up.
        output: dict[str, Any] = {name: value * sample_size for name, value in log.items()}
        output |= {
            "loss": loss.detach(),
            "nll_loss": losses.negative_log_likelihood,
            "ntokens": sample["ntokens"],
            "nsentences": sample["nsentences"],
            "sample_size": sample_size,
        }
        return loss, sample_size, output

    def token_losses(self, features: Tensor, decoder: Any, target: Tensor) -> TokenLosses:
        """Of features [tokens, dim] and target words [tokens], by the decoder's softmax."""
        if decoder.adaptive_softmax is not None:
            return adaptive_cross_entropy(features, decoder.adaptive_softmax, target)
        weight = decoder.output_embedding.weight  # [words, dim]
        if self.training and self.sampled_words:
            sample = draw(weight.size(0), self.sampled_words, weight.device)
            return sampled_cross_entropy(features, weight, target, sample)
        return projected_cross_entropy(features, weight, target, self.label_smoothing)

    def balance(self, routings: dict[str, Routing]) -> tuple[Tensor | float, dict[str, Tensor]]:
        """The weighted balancing losses of all mixtures, and each one's losses and figures."""
        total: Tensor | float = 0.0
        log: dict[str, Tensor] = {}
        for name, routing in routings.items():
            of_importance = self.importance_weight * importance_loss(routing)
            of_load = self.load_weight * load_loss(routing)
            total = total + of_importance + of_load + routing.auxiliary_loss
            figures = Figures(
                **vars(balance_figures(routing.importance, routing.load)),
                importance_loss=of_importance.detach(),
                load_loss=of_load.detach(),
                gate_loss=routing.auxiliary_loss.detach(),
            )
            log |= {f"{name}_{figure}": value for figure, value in figures._asdict().items()}
        return total, log

    @classmethod
    def reduce_metrics(cls, logging_outputs: list[dict[str, Any]]) -> None:
        """Averages over tokens: losses in bits, balance figures as they are."""

        def total(name: str) -> Any:
            return sum(log.get(name, 0) for log in logging_outputs)

        sample_size, ntokens = total("sample_size"), total("ntokens")
        metrics.log_scalar("loss", total("loss") / sample_size / math.log(2), sample_size, round=3)
        metrics.log_scalar("nll_loss", total("nll_loss") / ntokens / math.log(2), ntokens, round=3)
        metrics.log_derived("ppl", lambda meters: utils.get_perplexity(meters["nll_loss"].avg))
        for name in sorted({name for log in logging_outputs for name in log}):
            if name.endswith(Figures._fields):
                metrics.log_scalar(name, total(name) / sample_size, sample_size, round=3)

    @staticmethod
    def logging_outputs_can_be_summed() -> bool:
        """True: gathering them without summing needs CUDA."""
        return True


def adaptive_cross_entropy(
    features: Tensor, softmax: AdaptiveSoftmax, target: Tensor
) -> TokenLosses:
    """The loss by the groups of words that the targets are in: [tokens, dim], [tokens]."""
    logits, targets = softmax(features, target)
    loss = features.new_zeros((), dtype=torch.float32)
    for group, words in zip(logits, targets, strict=True):
        if words is not None:
            loss = loss + functional.cross_entropy(group.float(), words, reduction="sum")
    return TokenLosses(loss, loss.detach())
