"""fairseq's other commands on several workers: the same numbers, the same translations."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path

import pytest
from commands import PLUGIN, SHORT, SIZES, hypotheses, run_here
from fairseq_workers import run_on_worker
from worker_pool import WorkerPool

pytestmark = pytest.mark.distributed

Pool = Callable[[int], WorkerPool]


def figures(output: str) -> dict[str, dict[str, float]]:
    """What fairseq-validate prints of each split."""
    lines = re.findall(r"on '(\w+)' subset \| (.*)", output)
    found = {}
    for split, line in lines:
        pairs = (part.split() for part in line.split(" | "))
        found[split] = {pair[0]: float(pair[1]) for pair in pairs if len(pair) == 2}
    return found


def test_validation_prints_the_same_numbers(pool: Pool, binarised: Path, checkpoint: Path) -> None:
    options = ["--path", checkpoint, "--valid-subset", "valid,test", "--max-tokens", 90]
    options += ["--num-workers", 0]  # a pool's workers may have no children
    arguments = list(map(str, [binarised, *PLUGIN, *options]))
    expected = figures(run_here("validate", *arguments))
    assert expected.keys() == {"valid", "test"}
    for world in (2, 4):
        for output in pool(world).run(run_on_worker, world, "validate", arguments):
            assert figures(output).keys() in ({"valid", "test"}, set())
            for split, found in figures(output).items():
                for name in ("loss", "nll_loss", "ppl"):
                    assert found[name] == pytest.approx(expected[split][name], abs=0.0021)


def test_each_worker_translates_its_share(pool: Pool, binarised: Path, checkpoint: Path) -> None:
    arguments = list(map(str, [binarised, *PLUGIN, "--path", checkpoint, "--beam", 2, *SHORT]))
    expected = hypotheses(run_here("generate", *arguments))
    together: dict[int, str] = {}
    for rank in range(2):
        share = ["--distributed-world-size", "2", "--distributed-rank", str(rank)]
        part = hypotheses(run_here("generate", *arguments, *share))
        assert not together.keys() & part.keys()
        together |= part
    assert together == expected
    assert len(together) == SIZES["test"]
