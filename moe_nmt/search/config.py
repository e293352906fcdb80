"""The options of GNMT's search, with its values as defaults (Wu et al. 2016, section 7)."""

from dataclasses import dataclass

from fairseq.dataclass import FairseqDataclass

from moe_nmt.options import option


@dataclass
class SearchConfig(FairseqDataclass):
    """How translations are searched for; ``--beam`` and other options of fairseq's stand beside."""

    length_penalty_alpha: float = option(
        0.2, "of the score log P / ((5 + length) / 6)^alpha + cp; 0: no length penalty"
    )
    coverage_penalty_beta: float = option(
        0.2,
        "of the penalty for source words without attention, cp = beta * sum log min(attention, 1); "
        "0: none",
    )
    token_pruning: float = option(
        3.0,
        "drop a word that is less likely than the best one after the same hypothesis by more than "
        "this in log p; inf: keep all",
    )
    hypothesis_pruning: float = option(
        3.0,
        "drop a hypothesis whose log P over its length penalty is below the best finished score by "
        "more than this; inf: only those that cannot win",
    )
