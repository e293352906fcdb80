"""A training step of named architectures on generated sentences: time, memory, launches, waits.

    python scripts/benchmark_step.py gnmt_moe_multi30k gnmt_moe_32 [--device cuda] [--json FILE]

Every architecture is trained by its task, criterion and optimizer on sentences of random words.
On a GPU the kernels that a step starts are counted, and the places where it waits for the device.
"""

from __future__ import annotations

import argparse
import json
import logging
import platform
import statistics
import time
import traceback
import warnings
from collections import Counter
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import torch
from fairseq import optim, utils
from fairseq.data import Dictionary
from omegaconf import OmegaConf

import moe_nmt.plugin  # noqa: F401
from moe_nmt.criterions.balanced_cross_entropy import BalancedCrossEntropy
from moe_nmt.errors import ending_in_a_sentence
from moe_nmt.files.tables import markdown
from moe_nmt.models.architectures import TRANSLATION_MODELS
from moe_nmt.models.gnmt_moe import GNMTMoEModel
from moe_nmt.models.planned import configured
from moe_nmt.optim.factored_experts import FactoredExpertsConfig
from moe_nmt.optim.fused_adam import FusedAdamConfig
from moe_nmt.tasks.expert_parallel_translation import (
    ExpertParallelTranslationConfig,
    ExpertParallelTranslationTask,
)

OPTIMIZERS = {"fused_adam": FusedAdamConfig, "factored_experts": FactoredExpertsConfig}
PACKAGE = str(Path(__file__).resolve().parent.parent / "moe_nmt")


class Step:
    """Training steps of one model on batches of generated sentences."""

    def __init__(self, arch: str, precision: str, options: argparse.Namespace) -> None:
        torch.manual_seed(options.seed)
        words = Dictionary()
        for index in range(options.vocabulary - len(words)):
            words.add_symbol(f"word{index}")
        task_options = OmegaConf.structured(ExpertParallelTranslationConfig)
        task_options.precision = precision
        self.task = ExpertParallelTranslationTask(task_options, words, words)
        _, model_options = configured(arch, options.model)
        target = torch.device(options.device)
        with target:
            self.model = GNMTMoEModel.build_model(model_options, self.task)
        self.model.to(target)
        self.criterion = BalancedCrossEntropy(
            SimpleNamespace(target_dictionary=words), 0.1, 0.01, 0.01, 0, False
        )
        settings = OPTIMIZERS[options.optimizer](lr=[0.001])
        if options.update_experts_in_backward:
            settings.update_experts_in_backward = True
        named = OmegaConf.create({**vars(settings), "_name": options.optimizer})
        self.optimizer = optim.build_optimizer(named, list(self.model.parameters()))
        self.batches = [self.batch(words, options) for _ in range(4)]
        self.number = 0

    def batch(self, words: Dictionary, options: argparse.Namespace) -> dict[str, Any]:
        """Sentences of random words, the last of them of half the length."""
        shape = (options.sentences, options.length)
        source = torch.randint(words.nspecial, len(words), shape)
        source[-1, options.length // 2 :] = words.pad()
        target = torch.randint(words.nspecial, len(words), shape)
        previous = target.roll(1, 1)
        lengths = source.ne(words.pad()).sum(1)
        sample: dict[str, Any] = {
            "id": torch.arange(options.sentences),
            "nsentences": options.sentences,
            "ntokens": target.numel(),
            "net_input": {
                "src_tokens": source,
                "src_lengths": lengths,
                "prev_output_tokens": previous,
            },
            "target": target,
        }
        sample["net_input"] = self.model.count_words(sample["net_input"])
        if options.device == "cuda":
            moved: dict[str, Any] = utils.move_to_cuda(sample)
            return moved
        return sample

    def __call__(self) -> None:
        """One update."""
        batch = self.batches[self.number % len(self.batches)]
        self.number += 1
        self.optimizer.zero_grad()
        _, size, _ = self.task.train_step(
            batch, self.model, self.criterion, self.optimizer, self.number
        )
        self.optimizer.multiply_grads(1 / size)
        self.optimizer.clip_grad_norm(1.0)
        self.optimizer.step()


def launches_and_waits(step: Step) -> tuple[int, Counter[str]]:
    """Kernels started by a step, and its waits for the device by place."""
    with torch.profiler.profile(activities=[torch.profiler.ProfilerActivity.CUDA]) as profile:
        step()
        torch.cuda.synchronize()
    kernels = sum(
        event.device_type == torch.profiler.DeviceType.CUDA for event in profile.events() or ()
    )
    waits: Counter[str] = Counter()

    def note(message: Warning | str, *_: Any) -> None:
        if "synchroniz" in str(message):
            waits[place()] += 1

    torch.cuda.set_sync_debug_mode("warn")
    with warnings.catch_warnings():
        warnings.simplefilter("always")
        warnings.showwarning = note  # type: ignore[assignment]
        step()
    torch.cuda.set_sync_debug_mode("default")
    return kernels, waits


def place() -> str:
    """The innermost line of this package that is being run."""
    for frame in reversed(traceback.extract_stack()):
        if frame.filename.startswith(PACKAGE):
            return f"{frame.filename.removeprefix(PACKAGE + '/')}:{frame.lineno}"
    return "elsewhere"


def measure(arch: str, precision: str, options: argparse.Namespace) -> dict[str, Any]:
    """Figures of one architecture in one precision."""
    is_cuda = options.device == "cuda"
    step = Step(arch, precision, options)
    for _ in range(3):
        step()
    if is_cuda:
        torch.cuda.synchronize()
        torch.cuda.reset_peak_memory_stats()
    times = []
    for _ in range(options.steps):
        start = time.perf_counter()
        step()
        if is_cuda:
            torch.cuda.synchronize()
        times.append(time.perf_counter() - start)
    seconds = statistics.median(times)
    figures: dict[str, Any] = {
        "arch": arch,
        "precision": precision,
        "milliseconds": round(1000 * seconds, 2),
        "target words/s": round(options.sentences * options.length / seconds),
    }
    if is_cuda:
        figures["peak memory, GB"] = round(torch.cuda.max_memory_allocated() / 1e9, 2)
        figures["launches"], waits = launches_and_waits(step)
        figures["waits"] = waits.total()
        figures["places of waits"] = dict(waits.most_common())
    return figures


@ending_in_a_sentence()
def main() -> None:
    """Runs the command."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("arch", nargs="+", choices=TRANSLATION_MODELS)
    parser.add_argument("--device", choices=["cpu", "cuda"], default="cpu")
    parser.add_argument("--precision", nargs="+", choices=["fp32", "bf16"], default=["fp32"])
    parser.add_argument("--model", nargs="+", default=[], metavar="NAME=VALUE", help="its options")
    parser.add_argument("--optimizer", choices=OPTIMIZERS, default="fused_adam")
    parser.add_argument("--update-experts-in-backward", action="store_true")
    parser.add_argument("--vocabulary", type=int, default=8000)
    parser.add_argument("--sentences", type=int, default=64, help="of a batch")
    parser.add_argument("--length", type=int, default=32, help="words of a sentence")
    parser.add_argument("--steps", type=int, default=10, help="that are timed")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--json", type=Path, help="write the figures here too")
    args = parser.parse_args()
    if args.update_experts_in_backward and args.optimizer != "factored_experts":
        parser.error("--update-experts-in-backward needs --optimizer factored_experts")
    logging.disable(logging.INFO)

    results = [measure(arch, p, args) for arch in args.arch for p in args.precision]
    device = torch.cuda.get_device_name() if args.device == "cuda" else platform.processor()
    print(f"torch {torch.__version__}, {device or 'CPU'}, {args.sentences} x {args.length} words")
    columns = [name for name in results[0] if name != "places of waits"]
    print(markdown([columns, *([str(row[name]) for name in columns] for row in results)], "r"))
    for row in results:
        for where, number in row.get("places of waits", {}).items():
            print(f"{row['arch']} {row['precision']}: {number} waits at {where}")
    if args.json:
        args.json.write_text(json.dumps({"device": device, "results": results}, indent=1) + "\n")


if __name__ == "__main__":
    main()
