"""torch reads fairseq's checkpoints with weights_only on, and nothing else."""

import pickle
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
import torch
from commands import PLUGIN, SHORT, SIZES, hypotheses, run_here, train_here, training

QUICK = ["--max-update", "2", "--no-epoch-checkpoints"]
BLEU = [
    *("--eval-bleu", "--eval-bleu-args", '{"beam": 1, "max_len_b": 20}'),
    *("--best-checkpoint-metric", "bleu", "--maximize-best-checkpoint-metric"),
]


@contextmanager
def nothing_allowed() -> Iterator[None]:
    """torch as it is without the plugin."""
    allowed = torch.serialization.get_safe_globals()
    torch.serialization.clear_safe_globals()
    try:
        yield
    finally:
        torch.serialization.add_safe_globals(allowed)


def assert_needs_the_plugin(checkpoint: Path) -> None:
    with nothing_allowed(), pytest.raises(pickle.UnpicklingError, match="Weights only load"):
        torch.load(checkpoint, weights_only=True)
    torch.load(checkpoint, weights_only=True)


def count_translations(data: Path, checkpoint: Path) -> int:
    output = run_here("generate", data, *PLUGIN, "--path", checkpoint, "--beam", 1, *SHORT)
    return len(hypotheses(output))


def test_training_with_bleu_resumes_and_translates(binarised: Path, tmp_path: Path) -> None:
    train_here(
        binarised, tmp_path, *QUICK, *BLEU, "--eval-bleu-args", '{"beam": 1, "max_len_b": 20}'
    )
    train_here(binarised, tmp_path, *BLEU, "--no-epoch-checkpoints", "--max-update", "3")
    best = tmp_path / "checkpoint_best.pt"
    assert_needs_the_plugin(best)
    state = torch.load(best)
    assert state["optimizer_history"][-1]["num_updates"] in {2, 3}
    assert state["extra_state"]["best"] >= 0  # a BLEU score
    assert count_translations(binarised, best) == SIZES["test"]


def test_options_of_components_without_a_dataclass(binarised: Path, tmp_path: Path) -> None:
    train_here(binarised, tmp_path, *QUICK, "--disable-validation", optimizer="sgd")
    last = train_here(
        binarised, tmp_path, "--max-update", "3", "--disable-validation", optimizer="sgd"
    )
    assert_needs_the_plugin(last)
    assert torch.load(last)["optimizer_history"][-1]["num_updates"] == 3
    assert count_translations(binarised, last) == SIZES["test"]


def test_an_average_kept_while_training(binarised: Path, tmp_path: Path) -> None:
    options = [*QUICK, "--disable-validation", "--store-ema", "--ema-decay", "0.5"]
    state = torch.load(train_here(binarised, tmp_path, *options))
    name = "decoder.output_embedding.weight"
    assert not torch.equal(state["extra_state"]["ema"][name], state["model"][name])


class Harmful:
    """What unpickling runs is up to the pickle's author."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def __reduce__(self) -> tuple[object, tuple[Path]]:
        return Path.touch, (self.path,)


@pytest.mark.parametrize("command", ["generate", "train"])
def test_a_checkpoint_that_runs_code_is_refused(
    binarised: Path, checkpoint: Path, tmp_path: Path, command: str
) -> None:
    trace = tmp_path / "trace"
    state = torch.load(checkpoint) | {"harmful": Harmful(trace)}
    harmful = tmp_path / "checkpoint_last.pt"
    torch.save(state, harmful)
    arguments = {
        "generate": [binarised, *PLUGIN, "--path", harmful],
        "train": training(binarised, tmp_path),
    }
    with pytest.raises(SystemExit) as stopped:
        run_here(command, *arguments[command])
    assert stopped.value.code == (
        f"moe_nmt: {harmful} holds more than tensors and plain values, so that reading it may "
        "run any code: use a checkpoint of fairseq-train --user-dir moe_nmt"
    )
    assert not trace.exists()
