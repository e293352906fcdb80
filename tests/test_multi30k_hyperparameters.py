"""Multi30k's hyper-parameters stand in its configuration alone; the recipe reads them there."""

from __future__ import annotations

from typing import Any

import pytest
import yaml
from commands import ROOT
from fairseq import options
from fairseq.dataclass.utils import convert_namespace_to_omegaconf

import moe_nmt.plugin  # noqa: F401
from moe_nmt.cli.train_options import LEFT_OUT, PATHS, main, train_options

NAMES = sorted(path.stem for path in (ROOT / "configs").glob("*.yaml"))


def configuration(name: str) -> dict[str, dict[str, Any]]:
    found: dict[str, dict[str, Any]] = yaml.safe_load((ROOT / f"configs/{name}.yaml").read_text())
    return found


@pytest.mark.parametrize("name", NAMES)
def test_fairseq_train_reads_every_value_of_a_configuration(name: str) -> None:
    values = configuration(name)
    words = ["data", "--arch", name, *train_options(values)]
    read = convert_namespace_to_omegaconf(
        options.parse_args_and_arch(options.get_training_parser(), words)
    )
    for section in values.keys() - LEFT_OUT:
        for key in values[section].keys() - PATHS:
            assert read[section][key] == values[section][key], (section, key)


def test_the_options_of_multi30k(capsys: pytest.CaptureFixture[str]) -> None:
    main(["gnmt_moe_multi30k"])
    words = f"{' '.join(capsys.readouterr().out.splitlines())} "
    for option in (
        *("--criterion balanced_cross_entropy", "--label-smoothing 0.1"),
        *("--importance-weight 0.1", "--load-weight 0.1", "--optimizer fused_adam"),
        *("--beta2 0.98", "--lr 0.002", "--clip-norm 1.0", "--lr-scheduler polynomial_decay"),
        *("--warmup-updates 300", "--total-num-update 6500", "--max-update 6500"),
        *("--max-tokens 2000", "--precision bf16", "--task expert_parallel_translation"),
    ):
        assert words.count(f"{option} ") == 1


def test_the_recipe_has_none_of_its_own() -> None:
    recipe = (ROOT / "scripts/multi30k.sh").read_text()
    training = recipe[recipe.index("stage train") : recipe.index("stage average")]
    assert '"${hyperparameters[@]}"' in training
    names = [word for word in train_options(configuration("gnmt_moe_multi30k")) if word[:2] == "--"]
    # Only these are options of the recipe too.
    assert [name for name in names if name in training.split()] == ["--seed", "--keep-last-epochs"]
