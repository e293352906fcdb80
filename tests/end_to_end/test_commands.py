"""Each of fairseq's commands, as a user starts it, on the embedded corpus.

The fixtures ``binarised`` and ``checkpoint`` are fairseq-preprocess's and fairseq-train's work.
"""

from __future__ import annotations

import math
import re
from pathlib import Path

import torch
from commands import PLUGIN, SHORT, SIZES, hypotheses, run, run_here
from fairseq import checkpoint_utils

import moe_nmt.plugin  # noqa: F401

BEAM = ["--beam", 2, *SHORT]


def test_preprocess_and_train(binarised: Path, checkpoint: Path) -> None:
    assert {path.name for path in binarised.iterdir()} == {
        *("dict.en.txt", "dict.de.txt", "preprocess.log"),
        *(
            f"{split}.en-de.{language}.{kind}"
            for split in SIZES
            for language in ("en", "de")
            for kind in ("bin", "idx")
        ),
    }
    state = torch.load(checkpoint, weights_only=False)
    assert state["optimizer_history"][-1]["num_updates"] == 60
    words = state["model"]["decoder.output_embedding.weight"].size(0)
    assert state["extra_state"]["val_loss"] < math.log2(words) - 1


def test_generate(binarised: Path, checkpoint: Path) -> None:
    done = run("fairseq-generate", binarised, *PLUGIN, "--path", checkpoint, *BEAM)
    assert done.returncode == 0, done.stderr
    assert sorted(hypotheses(done.stdout)) == list(range(SIZES["test"]))
    assert f"Translated {SIZES['test']:,} sentences" in done.stderr
    assert "Generate test with beam=2: BLEU4 = " in done.stdout


def test_interactive(binarised: Path, checkpoint: Path, corpus: Path) -> None:
    text = corpus / "test.en"
    options = ["--path", checkpoint, *BEAM, "--input", text, "--buffer-size", 16]
    done = run("fairseq-interactive", binarised, *PLUGIN, *options, "--batch-size", 16)
    assert done.returncode == 0, done.stderr
    generated = run_here("generate", binarised, *PLUGIN, "--path", checkpoint, *BEAM)
    assert hypotheses(done.stdout) == hypotheses(generated)


@torch.no_grad()
def test_validate(binarised: Path, checkpoint: Path) -> None:
    options = ["--path", checkpoint, "--valid-subset", "valid,test", "--max-tokens", 300]
    done = run("fairseq-validate", binarised, *PLUGIN, *options)
    assert done.returncode == 0, done.stderr
    told = re.findall(r"on '(\w+)' subset .* nll_loss ([\d.]+) .* ppl ([\d.]+) ", done.stdout)
    assert [split for split, _, _ in told] == ["valid", "test"]

    (model,), _, task = checkpoint_utils.load_model_ensemble_and_task([str(checkpoint)])
    for split, nll_loss, perplexity in told:
        task.load_dataset(split)
        dataset = task.dataset(split)
        bits, words = 0.0, 0
        for index in range(SIZES[split]):  # each sentence on its own
            sample = dataset.collater([dataset[index]])
            logits, _ = model.eval()(**sample["net_input"])
            log_p = logits.log_softmax(-1).gather(-1, sample["target"][:, :, None])
            bits -= float(log_p.sum()) / math.log(2)
            words += log_p.numel()
        assert abs(float(nll_loss) - bits / words) < 0.001
        assert abs(float(perplexity) / 2 ** (bits / words) - 1) < 0.001


def test_hydra(binarised: Path, tmp_path: Path) -> None:
    done = run(
        *("fairseq-hydra-train", "--config-dir", "configs", "--config-name", "gnmt_moe_tiny"),
        *(f"task.data={binarised}", f"checkpoint.save_dir={tmp_path}", f"hydra.run.dir={tmp_path}"),
        *("common.cpu=true", "optimization.max_update=2", "model.experts=4", "model.model_dim=32"),
        *("model.lstm_cells=32", "dataset.disable_validation=true"),
    )
    assert done.returncode == 0, done.stderr
    checkpoint = tmp_path / "checkpoint_last.pt"
    config = torch.load(checkpoint, weights_only=False)["cfg"]
    assert (config["model"]["experts"], config["model"]["gate"]) == (4, "noisy-top-k")
    assert config["task"]["precision"] == "bf16"
    generated = run_here("generate", binarised, *PLUGIN, "--path", checkpoint, *BEAM)
    assert len(hypotheses(generated)) == SIZES["test"]


def test_a_wrong_combination_stops_hydra_with_one_sentence(binarised: Path, tmp_path: Path) -> None:
    done = run(
        *("fairseq-hydra-train", "--config-dir", "configs", "--config-name", "gnmt_moe_tiny"),
        *(f"task.data={binarised}", f"checkpoint.save_dir={tmp_path}", f"hydra.run.dir={tmp_path}"),
        *("common.cpu=true", "model.k=9"),
    )
    assert done.returncode == 1
    assert done.stderr.splitlines()[-1] == (
        "moe_nmt: k must be between 1 and the 8 experts to choose from, not 9"
    )
    assert "Traceback" not in done.stderr
