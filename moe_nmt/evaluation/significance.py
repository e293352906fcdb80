"""Whether two systems differ by more than chance: sacreBLEU's paired tests.

Paired bootstrap resampling (Koehn 2004) and approximate randomisation (Riezler and Maxwell 2005)
of each system against the first, the baseline.  p is how often chance alone makes a difference as
large as the one seen.

sacreBLEU counts differences larger than the one seen and not those equal to it, so that systems
which differ in one sentence of a thousand would seem surely different (p = 0.0001, randomised).
Of the 2^n ways to swap n differing sentences, two make the difference seen: p is at least 2^(1-n).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from sacrebleu.metrics.base import Metric
from sacrebleu.significance import PairedTest, Result

from moe_nmt.errors import UserError
from moe_nmt.evaluation.measures import Texts, sacre_metrics


@dataclass(frozen=True)
class Comparison:
    """One system, by one metric; the baseline has no p.

    Args:
        differing: sentences whose translation is not the baseline's.
        mean: of the score over the bootstrap's samples.
        interval: half of the 95% interval about that mean.
    """

    system: str
    metric: str
    score: float
    differing: int
    mean: float
    interval: float
    p_bootstrap: float | None
    p_randomisation: float | None


@dataclass(frozen=True)
class Significance:
    """All comparisons, and sacreBLEU's signatures with seed and number of trials."""

    comparisons: Sequence[Comparison]
    signatures: Sequence[str]


def compare(
    systems: Sequence[tuple[str, Texts]],
    references: Sequence[Texts],
    lowercase: bool,
    samples: int,
    trials: int,
    tokenizer: str = "13a",
) -> Significance:
    """Tests each system against the first.

    Args:
        systems: names and translations.
        references: one or more.
        lowercase: whether case does not count.
        samples: of the bootstrap.
        trials: of approximate randomisation.
    """
    (baseline, first), *others = systems
    differing = [count_differing(first, texts) for _, texts in systems]
    for (name, _), count in zip(others, differing[1:], strict=True):
        if count == 0:
            raise UserError(
                f"{baseline} and {name} are the same translations: there is no difference to test"
            )
    metrics: dict[str, Metric] = {**sacre_metrics(references, lowercase, tokenizer)}
    signatures, bootstrap = PairedTest([*systems], metrics, None, "bs", samples)()
    other_signatures, randomisation = PairedTest([*systems], metrics, None, "ar", trials)()
    comparisons = [
        Comparison(
            system=name,
            metric=metric,
            score=float(one.score),
            differing=count,
            mean=float(np.float64(one.mean)),
            interval=float(np.float64(one.ci)),
            p_bootstrap=one.p_value,
            p_randomisation=at_least(2.0 ** (1 - count), other.p_value),
        )
        for metric in signatures
        for (name, _), count, one, other in zip(
            *(systems, differing, results(bootstrap, metric), results(randomisation, metric)),
            strict=True,
        )
    ]
    return Significance(
        comparisons,
        [
            f"{name}|{signature.format()}"
            for found in (signatures, other_signatures)
            for name, signature in found.items()
        ],
    )


def at_least(least: float, p: float | None) -> float | None:
    """A probability that cannot be less, if there is one."""
    return None if p is None else max(p, least)


def count_differing(one: Texts, other: Texts) -> int:
    """How many sentences two systems translate differently."""
    return sum(a != b for a, b in zip(one, other, strict=True))


def results(table: Mapping[str, Sequence[str | Result]], metric: str) -> list[Result]:
    """A metric's column of sacreBLEU's table, whose other columns are names."""
    return [result for result in table[metric] if isinstance(result, Result)]
