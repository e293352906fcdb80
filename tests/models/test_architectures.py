"""The named models have the sizes of the paper's, on the command line and in YAML."""

from dataclasses import fields

import pytest
import torch
import yaml
from commands import ROOT
from fairseq.registry import REGISTRIES
from small_models import dictionary, task_of

import moe_nmt.plugin  # noqa: F401
from moe_nmt.insight.counts import operations, parameters
from moe_nmt.models.architectures import ARCHITECTURES, LANGUAGE_MODELS, TRANSLATION_MODELS
from moe_nmt.models.config import GNMTMoEConfig, LSTMMoELanguageModelConfig
from moe_nmt.models.gnmt_moe import GNMTMoEModel

CONFIGS = ROOT / "configs"
DEFAULTS = {
    name: {field.name: field.default for field in fields(kind)}
    for name, kind in [("gnmt_moe", GNMTMoEConfig), ("lstm_moe_lm", LSTMMoELanguageModelConfig)]
}
# All with 512 inputs and outputs, 2048 cells, 32000 words.
LSTM = 4 * (512 + 512) * 2048 + 2048 * 512
ATTENTIVE_LSTM = 4 * (512 + 512 + 512) * 2048 + 2048 * 512  # reads the context too
EXPERT = 2 * 512 * 2048
LSTMS = 4 * LSTM + ATTENTIVE_LSTM  # 3 in the encoder, 2 in the decoder
BIASES = 5 * 2 * 4 * 2048
DENSE_PARAMETERS = LSTMS + BIASES + 3 * 32000 * 512 + 2 * 512 * 512 + 512


@pytest.fixture(scope="module")
def models() -> dict[str, GNMTMoEModel]:
    words = dictionary(32000)
    with torch.device("meta"):
        return {
            name: GNMTMoEModel.build_model(GNMTMoEConfig(**values), task_of(words, words))
            for name, values in TRANSLATION_MODELS.items()
        }


@pytest.mark.parametrize(
    ("name", "experts", "gate", "in_billions"),
    [
        ("gnmt_dense", 0, 0, 0.10),
        ("gnmt_moe_32", 32, 512 * 32 + 32, 0.24),
        ("gnmt_moe_512h", 512, 512 * 16 + 16 + 16 * (512 * 32 + 32), 2.2),
        ("gnmt_moe_2048h", 2048, 512 * 32 + 32 + 32 * (512 * 64 + 64), 8.7),
    ],
)
def test_parameters_of_the_papers_models(
    models: dict[str, GNMTMoEModel], name: str, experts: int, gate: int, in_billions: float
) -> None:
    count = parameters(models[name])
    assert count["experts"] == 2 * experts * EXPERT
    assert count.total() == DENSE_PARAMETERS + 2 * (experts * EXPERT + gate)
    assert float(f"{count.total() / 1e9:.2g}") == in_billions


@pytest.mark.parametrize(
    ("name", "gate"),
    [
        ("gnmt_moe_32", 512 * 32),
        ("gnmt_moe_512h", 512 * 16 + 2 * 512 * 32),
        ("gnmt_moe_2048h", 512 * 32 + 2 * 512 * 64),
    ],
)
def test_operations_of_the_papers_models(
    models: dict[str, GNMTMoEModel], name: str, gate: int
) -> None:
    assert operations(models[name]) == {
        "LSTM": LSTMS,
        "experts": 2 * 4 * EXPERT,
        "gates": 2 * gate,
        "attention": 2 * 512 * 512,
        "softmax": 32000 * 512,
    }
    # Table 7 says 85M.
    assert operations(models[name]).total() == pytest.approx(85e6, rel=0.01)


def test_small_models_have_the_sizes_that_are_documented(models: dict[str, GNMTMoEModel]) -> None:
    assert operations(models["gnmt_moe_multi30k"]) == {
        # the bidirectional layer is two LSTMs of half the cells, and half as many recur
        "LSTM": 2 * 4 * (256 + 128) * 128 + 4 * 4 * (256 + 256) * 256,
        "experts": 2 * 2 * 2 * 256 * 512,
        "gates": 2 * 256 * 16,
        "attention": 3 * 256 * 256,
        "softmax": 32000 * 256,
    }
    assert parameters(models["gnmt_moe_tiny"])["embeddings"] == 32000 * 128


def test_every_architecture_has_a_configuration_file() -> None:
    assert {path.stem for path in CONFIGS.glob("*.yaml")} == set(ARCHITECTURES)


@pytest.mark.parametrize("name", ARCHITECTURES)
def test_the_configuration_file_has_the_values_of_the_architecture(name: str) -> None:
    config = yaml.safe_load((CONFIGS / f"{name}.yaml").read_text())
    model = dict(config["model"])
    kind = model.pop("_name")
    assert kind == ("lstm_moe_lm" if name in LANGUAGE_MODELS else "gnmt_moe")
    assert DEFAULTS[kind] | model == DEFAULTS[kind] | dict(ARCHITECTURES[name])
    assert config["checkpoint"]["save_dir"] == f"checkpoints/{name}"
    for section in ("criterion", "optimizer", "lr_scheduler"):
        dataclass = REGISTRIES[section]["dataclass_registry"][config[section]["_name"]]
        assert config[section].keys() <= {field.name for field in fields(dataclass)}


@pytest.mark.parametrize(
    ("kind", "name"), [("gnmt_moe", "gnmt_moe_multi30k"), ("lstm_moe_lm", "lstm_moe_lm_32")]
)
def test_one_file_explains_every_option_of_ours(kind: str, name: str) -> None:
    config = yaml.safe_load((CONFIGS / f"{name}.yaml").read_text())
    assert config["model"].keys() == DEFAULTS[kind].keys() | {"_name"}
    for section, name in [("criterion", "balanced_cross_entropy"), ("optimizer", "fused_adam")]:
        dataclass = REGISTRIES[section]["dataclass_registry"][name]
        interpolated = {f.name for f in fields(dataclass) if str(f.default).startswith("${")}
        assert config[section].keys() == {f.name for f in fields(dataclass)} - interpolated
