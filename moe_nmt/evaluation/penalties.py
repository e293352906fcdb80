"""GNMT's score of a translation Y of the sentence X (Wu et al. 2016, section 7):

    score(Y, X) = log P(Y | X) / lp(Y) + cp(X, Y)
    lp(Y)       = ((5 + |Y|) / 6)^alpha
    cp(X, Y)    = beta * sum_i log(min(sum_j p_ij, 1))

p_ij is the attention of target token j on source token i.  |Y| and j count every token that log P
has a factor for: the subwords and the end of sentence.  i counts every token that the encoder
reads, the end of sentence among them, and no padding.  Logarithms are natural.

The search needs the formula of torch's tensors and tuning of numpy's arrays: these functions take
both.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeVar

Array = TypeVar("Array", bound=Any)  # of numbers: a tensor, an array, or a number alone

# A source token without attention has had this much.  Attention is printed with six digits: what
# adds up to 0 may be anything below half of the last.
LEAST_ATTENTION = 5e-7


def length_penalty(length: Array, alpha: float) -> Array:
    """lp of any number of lengths."""
    penalty: Array = ((5.0 + length) / 6.0) ** alpha
    return penalty


def coverage_logarithm(attention: Array, log: Callable[[Array], Array]) -> Array:
    """log(min(sum_j p_ij, 1)) of source tokens.

    Args:
        attention: sum_j p_ij; any shape.
        log: the natural logarithm, of the library whose numbers these are.
    """
    return log(attention.clip(LEAST_ATTENTION, 1.0))
