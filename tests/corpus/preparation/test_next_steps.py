"""The commands that moe-nmt-prepare ends with."""

from __future__ import annotations

import subprocess

import pytest

from moe_nmt.corpus.preparation.next_steps import command, of_small


@pytest.mark.parametrize(
    ("subwords", "updates", "warmup"),
    [
        (30, 60, 6),  # no more epochs, each with its checkpoint, than help
        (160_000, 4800, 300),
        (500_000, 6500, 300),  # as Multi30k
        (1_000_000, 12_000, 300),
        (9_000_000, 20_000, 300),
    ],
)
def test_updates_follow_the_size_of_the_text(subwords: int, updates: int, warmup: int) -> None:
    options = of_small(subwords)
    assert options["--max-update"] == options["--total-num-update"] == updates
    assert options["--warmup-updates"] == warmup


def test_a_command_is_what_a_shell_takes() -> None:
    options = {f"--option-{number}": f"value {number}" for number in range(9)}
    written = command("name", "a folder", options)
    assert max(map(len, written.splitlines())) <= 100
    words = [word for pair in options.items() for word in pair]
    program = f"printf '%s\\n' {written}"
    taken = subprocess.run(["bash", "-c", program], capture_output=True, text=True, check=True)
    assert taken.stdout.splitlines() == ["name", "a folder", *words]
