"""A training that stops and goes on ends bit for bit where one without a stop does."""

from pathlib import Path
from typing import Any

import pytest
import torch
from commands import train_here

OPTIONS = ["--disable-validation", "--no-epoch-checkpoints"]
PER_EPOCH = 9  # updates
VARIANTS = {
    "noisy-top-k": [],
    "strictly-balanced": ["--gate", "strictly-balanced", "--attention-feed", "input"],
}


def state_after(data: Path, folder: Path, *updates: int, options: list[str]) -> dict[str, Any]:
    """The last checkpoint of trainings to these numbers of updates, each going on."""
    for update in updates:
        last = train_here(data, folder, *OPTIONS, *options, "--max-update", str(update))
    state: dict[str, Any] = torch.load(last)
    assert state["optimizer_history"][-1]["num_updates"] == updates[-1]
    return state


@pytest.fixture(scope="module", params=VARIANTS)
def straight(
    request: pytest.FixtureRequest, binarised: Path, tmp_path_factory: pytest.TempPathFactory
) -> tuple[list[str], dict[str, Any]]:
    options = VARIANTS[request.param]
    folder = tmp_path_factory.mktemp("straight")
    return options, state_after(binarised, folder, PER_EPOCH + 3, options=options)


@pytest.mark.parametrize("stop", [4, PER_EPOCH, PER_EPOCH + 1])
def test_resuming_is_bit_exact(
    binarised: Path, tmp_path: Path, straight: tuple[list[str], dict[str, Any]], stop: int
) -> None:
    options, expected = straight
    resumed = state_after(binarised, tmp_path, stop, PER_EPOCH + 3, options=options)
    assert resumed["extra_state"]["train_iterator"] == expected["extra_state"]["train_iterator"]
    assert expected["extra_state"]["train_iterator"]["iterations_in_epoch"] == 3
    for part in ("model", "last_optimizer_state"):
        torch.testing.assert_close(resumed[part], expected[part], rtol=0, atol=0)


def test_another_seed_ends_elsewhere(
    binarised: Path, tmp_path: Path, straight: tuple[list[str], dict[str, Any]]
) -> None:
    options, expected = straight
    other = state_after(binarised, tmp_path, PER_EPOCH + 3, options=[*options, "--seed", "2"])
    name = "decoder.output_embedding.weight"
    assert not torch.equal(other["model"][name], expected["model"][name])
