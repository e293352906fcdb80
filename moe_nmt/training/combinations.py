"""Options of fairseq-train that do not fit each other, found before any data are read.

fairseq takes each by itself: what such a combination does shows after an epoch, or never.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

from moe_nmt.errors import UserError
from moe_nmt.models.encoder import PADDED_AT_THE_BEGINNING

OUR_CRITERION = "balanced_cross_entropy"
LOGGED = ("loss", "nll_loss", "ppl")  # in validation, by our criterion and fairseq's
LAST = "checkpoint_last.pt"
MIXED_PRECISIONS = ("fp16", "bf16", "amp", "memory_efficient_fp16", "memory_efficient_bf16")


class Rule(NamedTuple):
    """A combination that is refused.

    Args:
        is_broken: whether a configuration has it.
        sentence: what is wrong, and the remedy.
    """

    is_broken: Callable[[Any], Any]
    sentence: str


def value(section: Any, name: str) -> Any:
    """An option, or None where the section has none of that name."""
    return getattr(section, name, None)


def has_mixtures(cfg: Any) -> bool:
    """Whether the model has a mixture of experts."""
    places = ("encoder_moe_after", "decoder_moe_after", "moe_after", "recurrent_moe")
    return any(value(cfg.model, name) for name in places)


def keeps_thresholds(cfg: Any) -> bool:
    """Whether a criterion of fairseq's would leave the thresholds of the gates untrained."""
    is_strict = str(value(cfg.model, "gate")) == "strictly-balanced"
    return is_strict and has_mixtures(cfg) and value(cfg.criterion, "_name") != OUR_CRITERION


def unknown_metric(cfg: Any) -> bool:
    """Whether the metric for the best checkpoint is none that is logged."""
    metric = cfg.checkpoint.best_checkpoint_metric
    if metric == "bleu" or value(cfg.criterion, "_name") != OUR_CRITERION:
        return False
    return metric not in LOGGED and not metric.startswith(("encoder_", "decoder_"))


def lacks_bleu(cfg: Any) -> bool:
    """Whether BLEU is asked for and not computed."""
    return cfg.checkpoint.best_checkpoint_metric == "bleu" and not value(cfg.task, "eval_bleu")


def keeps_the_worst(cfg: Any) -> bool:
    """Whether the direction of the metric is the wrong one."""
    checkpoint = cfg.checkpoint
    is_gain = checkpoint.best_checkpoint_metric in ("bleu", "accuracy")
    known = is_gain or checkpoint.best_checkpoint_metric in LOGGED
    return known and checkpoint.maximize_best_checkpoint_metric != is_gain


def evaluates_nothing(cfg: Any) -> bool:
    """Whether something waits for a validation that never comes."""
    if not cfg.dataset.disable_validation:
        return False
    by_loss = value(cfg.lr_scheduler, "_name") == "reduce_lr_on_plateau"
    return cfg.checkpoint.patience > 0 or cfg.checkpoint.keep_best_checkpoints > 0 or by_loss


def saves_nothing(cfg: Any) -> bool:
    """Whether no checkpoint would be written though that was not asked for."""
    checkpoint = cfg.checkpoint
    writes_best = not cfg.dataset.disable_validation
    by_update = checkpoint.save_interval_updates > 0
    is_left = writes_best or by_update or not checkpoint.no_epoch_checkpoints
    return not checkpoint.no_save and checkpoint.no_last_checkpoints and not is_left


def lacks_restored(cfg: Any) -> bool:
    """Whether the checkpoint to begin with is not there, so that fairseq begins from nothing."""
    path = cfg.checkpoint.restore_file
    return path != LAST and not Path(path).exists()


def lacks_finetuned(cfg: Any) -> bool:
    """The same of the one to fine-tune; not looked at where a training goes on."""
    path, last = cfg.checkpoint.finetune_from_model, Path(cfg.checkpoint.save_dir, LAST)
    return path is not None and not last.exists() and not Path(path).exists()


def ends_at_rate_zero(cfg: Any) -> bool:
    """Whether the schedule reaches its end before the training does."""
    schedule = cfg.lr_scheduler
    if value(schedule, "_name") != "polynomial_decay" or value(schedule, "end_learning_rate"):
        return False
    return bool(cfg.optimization.max_update > float(schedule.total_num_update))


def is_mixed(cfg: Any) -> bool:
    """Whether fairseq trains in one of its own mixed precisions."""
    return any(value(cfg.common, name) for name in MIXED_PRECISIONS)


def updates_too_early(cfg: Any) -> bool:
    """Whether experts would be updated before all their gradients have been added up."""
    if not value(cfg.optimizer, "update_experts_in_backward"):
        return False
    is_ours = str(value(cfg.task, "_name")).startswith("expert_parallel_")
    is_repeated = value(cfg.model, "recurrent_moe")  # a gradient at every step
    one_pass = [*cfg.optimization.update_freq] == [1] and not is_mixed(cfg) and not is_repeated
    return not one_pass or not is_ours


def drops_updates(cfg: Any) -> bool:
    """Whether experts in bf16 would be updated by rounding to the nearest."""
    if str(value(cfg.model, "experts_precision")) != "bf16":
        return False
    return value(cfg.optimizer, "_name") != "factored_experts" or is_mixed(cfg)


RULES = [
    Rule(
        drops_updates,
        "--experts-precision bf16 would lose small updates without stochastic rounding: take "
        "--optimizer factored_experts, and none of --fp16, --bf16 and --amp",
    ),
    Rule(
        updates_too_early,
        "--update-experts-in-backward needs all of an update's gradients in one backward pass, and "
        "their divisor: a task of this package, --update-freq 1, and none of --fp16, --bf16, --amp "
        "and --recurrent-moe",
    ),
    Rule(
        lambda cfg: (
            value(cfg.model, "adaptive_softmax_cutoff")
            and (value(cfg.criterion, "sampled_words") or value(cfg.criterion, "label_smoothing"))
        ),
        "--adaptive-softmax-cutoff computes the softmax by groups of words: leave out "
        "--sampled-words and --label-smoothing",
    ),
    Rule(
        lambda cfg: cfg.dataset.max_tokens is None and cfg.dataset.batch_size is None,
        "a batch has no size: give --max-tokens N, subwords of a side, or --batch-size N",
    ),
    Rule(
        keeps_thresholds,
        "--gate strictly-balanced has thresholds that only --criterion balanced_cross_entropy "
        "trains: take that criterion, or --gate noisy-top-k",
    ),
    Rule(
        lambda cfg: value(cfg.task, "left_pad_source") and has_mixtures(cfg),
        PADDED_AT_THE_BEGINNING,
    ),
    Rule(
        lacks_bleu,
        "--best-checkpoint-metric bleu is not computed without --eval-bleu: add it",
    ),
    Rule(
        keeps_the_worst,
        "with --best-checkpoint-metric {metric} the worst checkpoint would be kept: of bleu and "
        "accuracy the greatest is the best, with --maximize-best-checkpoint-metric; of losses the "
        "smallest, without it",
    ),
    Rule(
        unknown_metric,
        "--best-checkpoint-metric {metric} is not logged: take loss, nll_loss, ppl, or bleu with "
        "--eval-bleu",
    ),
    Rule(
        lambda cfg: value(cfg.task, "eval_bleu_print_samples") and not cfg.task.eval_bleu,
        "--eval-bleu-print-samples does nothing without --eval-bleu: add it",
    ),
    Rule(
        evaluates_nothing,
        "--disable-validation does not go with --patience, --keep-best-checkpoints and "
        "--lr-scheduler reduce_lr_on_plateau, which need validation: leave one of them out",
    ),
    Rule(
        saves_nothing,
        "no checkpoint would be written with --no-last-checkpoints, --no-epoch-checkpoints and "
        "--disable-validation: leave one of them out, or say --no-save",
    ),
    Rule(
        lambda cfg: (
            cfg.checkpoint.keep_interval_updates > 0 and cfg.checkpoint.save_interval_updates == 0
        ),
        "--keep-interval-updates does nothing without --save-interval-updates N: add it",
    ),
    Rule(
        lambda cfg: cfg.checkpoint.keep_last_epochs > 0 and cfg.checkpoint.no_epoch_checkpoints,
        "--keep-last-epochs has none to keep with --no-epoch-checkpoints: leave one of them out",
    ),
    Rule(
        lacks_restored,
        "--restore-file {restored} does not exist, and the training would begin from nothing: "
        "name the file by its whole path, or leave the option out",
    ),
    Rule(
        lacks_finetuned,
        "--finetune-from-model {finetuned} does not exist: name a checkpoint that does",
    ),
    Rule(
        ends_at_rate_zero,
        "--lr-scheduler polynomial_decay ends at --total-num-update, before --max-update, and "
        "nothing would be learned from there on: make them equal, or give --end-learning-rate",
    ),
    Rule(
        lambda cfg: str(value(cfg.task, "precision")) == "bf16" and is_mixed(cfg),
        "--precision bf16 does not go with fairseq's --fp16, --bf16 and --amp: leave one of them "
        "out",
    ),
    Rule(
        lambda cfg: (
            value(cfg.optimizer, "_name") == "fused_adam"
            and (cfg.common.memory_efficient_fp16 or cfg.common.memory_efficient_bf16)
        ),
        "--optimizer fused_adam would keep its moments in half precision under "
        "--memory-efficient-fp16 and --memory-efficient-bf16: take --optimizer adam, or --fp16",
    ),
    Rule(
        lambda cfg: cfg.common.amp and cfg.common.cpu,
        "--amp does nothing on a CPU: take --precision bf16, or leave it out",
    ),
]


def refuse_combinations(cfg: Any) -> None:
    """Stops at the first rule that a training's options break.

    Raises:
        UserError: the sentence of the rule.
    """
    for rule in RULES:
        if rule.is_broken(cfg):
            checkpoint = cfg.checkpoint
            raise UserError(
                rule.sentence.format(
                    metric=checkpoint.best_checkpoint_metric,
                    restored=checkpoint.restore_file,
                    finetuned=checkpoint.finetune_from_model,
                )
            )
