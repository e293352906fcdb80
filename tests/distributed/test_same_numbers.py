"""Many workers compute what one worker computes on all their tokens."""

from __future__ import annotations

from collections.abc import Callable

import pytest
import torch
from comparisons import assert_same
from small_training import Case, train
from worker_pool import WorkerPool

pytestmark = pytest.mark.distributed

CASES = {
    "softmax": Case("softmax", 5, 5, (4, 7)),
    "noisy": Case("noisy-top-k", 5, 2, (9, 4)),
    "strict": Case("strictly-balanced", 5, 2, (6, 8)),
    "hierarchical-softmax": Case("softmax", 9, 3, (5, 6), groups=3),
    "hierarchical-noisy": Case("noisy-top-k", 9, 2, (11, 5), groups=3),
    "hierarchical-strict": Case("strictly-balanced", 9, 2, (8, 9), groups=3),
    "no-tokens": Case("noisy-top-k", 4, 2, (0, 9)),
    "replicas": Case("noisy-top-k", 3, 2, (6, 5), size=1),
    "four-softmax": Case("softmax", 6, 6, (3, 0, 5, 2)),
    "four-noisy": Case("noisy-top-k", 10, 3, (5, 0, 9, 3)),
    "four-strict": Case("strictly-balanced", 6, 2, (0, 12, 5, 4)),
    "four-hierarchical": Case("noisy-top-k", 15, 2, (7, 5, 0, 8), groups=5),
    "four-hierarchical-strict": Case("strictly-balanced", 10, 1, (7, 5, 0, 8), groups=5),
    "four-replicas": Case("strictly-balanced", 5, 2, (4, 7, 0, 6), size=2),
}


@pytest.mark.parametrize("name", CASES)
def test_training_is_the_same_as_on_one_worker(
    pool: Callable[[int], WorkerPool], name: str
) -> None:
    case = CASES[name]
    expected = train(None, case)
    results = pool(len(case.tokens)).run(train, case)
    optimizer = results[0].pop("optimizer")
    of_x = torch.cat([result.pop("of_x") for result in results])
    assert_same(of_x, expected.pop("of_x"), 1e-6)
    # Adam's means of gradients that all but cancel out keep fewer digits.
    assert_same(optimizer, expected.pop("optimizer"), 1e-4)
    # After 20 steps; how float32 rounds depends on the processor.
    for result in results:
        for part in expected:
            assert_same(result[part], expected[part], 3e-6)
