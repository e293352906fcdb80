"""Trains random layers on random numbers of tokens and workers, for as long as wanted.

    python scripts/soak_workers.py [--minutes 60] [--workers 4] [--seed 1]

Each round draws a gate, experts, groups, an expert parallel size and each worker's tokens, often
none, trains 20 steps, and compares with one worker on all tokens.  It stops at the first hang or
difference, and names the round's case.
"""

from __future__ import annotations

import argparse
import random
import sys
import time
from pathlib import Path

from moe_nmt.errors import ending_in_a_sentence

TESTS = Path(__file__).resolve().parents[1] / "tests"
sys.path[:0] = [str(TESTS), str(TESTS / "distributed")]

from comparisons import assert_same  # type: ignore[import-not-found]  # noqa: E402
from small_training import Case, train  # type: ignore[import-not-found]  # noqa: E402
from worker_pool import WorkerPool  # type: ignore[import-not-found]  # noqa: E402

TOLERANCE = 1e-4  # rounding errors grow with the steps


def draw(chance: random.Random, workers: int) -> Case:
    """A random case."""
    size = chance.choice([size for size in range(1, workers + 1) if workers % size == 0])
    gate = chance.choice(["softmax", "noisy-top-k", "strictly-balanced"])
    groups = chance.choice([1, 1, size, size + 1])
    within = chance.randint(size, 3 * size) if groups == 1 else chance.randint(1, 4)
    if gate == "softmax" and groups > 1:
        within = groups  # k is the same at both levels
    k = within if gate == "softmax" else chance.randint(1, min(within, groups if groups > 1 else 4))
    tokens = tuple(chance.choice([0, 1, chance.randint(2, 60)]) for _ in range(workers))
    tokens = (*tokens[:-1], max(tokens[-1], 2))
    return Case(gate, groups * within, k, tokens, groups=groups, size=size)


@ending_in_a_sentence()
def main() -> None:
    """The command line."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--minutes", type=float, default=60)
    parser.add_argument("--workers", type=int, default=4)
    parser.add_argument("--seed", type=int, default=1)
    arguments = parser.parse_args()
    chance, pool = random.Random(arguments.seed), WorkerPool(arguments.workers)
    end, rounds = time.monotonic() + 60 * arguments.minutes, 0
    while time.monotonic() < end:
        case = draw(chance, arguments.workers)
        try:
            expected = train(None, case)
            for result in pool.run(train, case):
                for part in ("losses", "norms", "importance", "load", "parameters"):
                    assert_same(result[part], expected[part], TOLERANCE)
        except AssertionError as error:
            raise SystemExit(f"round {rounds + 1}, {case}: {error}") from error
        rounds += 1
        if rounds % 10 == 0:
            print(f"{rounds} rounds, {(end - time.monotonic()) / 60:.1f} minutes left", flush=True)
    pool.close()
    print(f"{rounds} rounds on {arguments.workers} workers: no hang, no difference")


if __name__ == "__main__":
    main()
