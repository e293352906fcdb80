"""Resident memory and speed of training language models of many experts.

    python scripts/benchmark_memory.py DATA --out FOLDER [--runs 1024h-in-backward ...]

DATA is a folder made by fairseq-preprocess --only-source.  Each run is a few updates of
fairseq-train in a process of its own, whose resident memory is read from the system all the while.
A run that FOLDER has already is not done again: the same command goes on after an interruption, and
the table and the picture, memory.svg, are of all runs there.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import re
import resource
import statistics
import subprocess
import sys
import time
from pathlib import Path
from typing import Any, NamedTuple

import torch

from moe_nmt.cli.numbers import positive
from moe_nmt.errors import UserError, ending_in_a_sentence
from moe_nmt.files.tables import markdown
from moe_nmt.files.text import write_text

EVERY = 0.25  # seconds between two readings of the memory
IN_BACKWARD = ("--update-experts-in-backward",)
IN_BF16 = (*IN_BACKWARD, "--experts-precision", "bf16")


class Run(NamedTuple):
    """A training."""

    arch: str
    optimizer: str
    options: tuple[str, ...] = ()


# The experts of lstm_moe_lm_256 take 1.07 GB.
RUNS = {
    "256-adam": Run("lstm_moe_lm_256", "fused_adam"),
    "256-adam-recompute": Run("lstm_moe_lm_256", "fused_adam", ("--recompute-experts",)),
    "256-factored": Run("lstm_moe_lm_256", "factored_experts"),
    "256-factored-recompute": Run("lstm_moe_lm_256", "factored_experts", ("--recompute-experts",)),
    "256-in-backward": Run("lstm_moe_lm_256", "factored_experts", IN_BACKWARD),
    "256-in-backward-recompute": Run(
        "lstm_moe_lm_256", "factored_experts", (*IN_BACKWARD, "--recompute-experts")
    ),
    "256-in-backward-bf16": Run("lstm_moe_lm_256", "factored_experts", IN_BF16),
    "256-in-backward-bf16-recompute": Run(
        "lstm_moe_lm_256", "factored_experts", (*IN_BF16, "--recompute-experts")
    ),
    "4-in-backward": Run("lstm_moe_lm_4", "factored_experts", IN_BACKWARD),
    "32-in-backward": Run("lstm_moe_lm_32", "factored_experts", IN_BACKWARD),
    "1024h-factored": Run("lstm_moe_lm_1024h", "factored_experts"),
    "1024h-in-backward": Run("lstm_moe_lm_1024h", "factored_experts", IN_BACKWARD),
    "1024h-in-backward-bf16": Run("lstm_moe_lm_1024h", "factored_experts", IN_BF16),
    "4096h-in-backward": Run("lstm_moe_lm_4096h", "factored_experts", IN_BACKWARD),
    "4096h-in-backward-bf16": Run("lstm_moe_lm_4096h", "factored_experts", IN_BF16),
}


def command(run: Run, data: Path, args: argparse.Namespace) -> list[str]:
    """What trains it."""
    return [
        *(str(Path(sys.executable).with_name("fairseq-train")), str(data)),
        *("--user-dir", "moe_nmt", "--cpu", "--num-workers", "0", "--seed", "1"),
        *("--task", "expert_parallel_language_modeling", "--arch", run.arch),
        *("--sample-break-mode", "eos", "--max-tokens", str(args.tokens)),
        *("--criterion", "balanced_cross_entropy", "--optimizer", run.optimizer),
        *("--importance-weight", "0.1", "--load-weight", "0.1", "--lr", "0.0003"),
        *("--lr-scheduler", "warmup_constant_inverse_sqrt", "--warmup-updates", "100"),
        *("--max-update", str(args.updates), "--no-save", "--disable-validation"),
        *("--log-format", "json", "--log-interval", "1"),
        *run.options,
    ]


def shown(run: Run, args: argparse.Namespace) -> str:
    """The same for people, whatever machine it ran on."""
    environment = f"OMP_NUM_THREADS={args.threads}"
    return " ".join([environment, "fairseq-train", *command(run, Path("DATA"), args)[1:]])


def measure(name: str, run: Run, data: Path, args: argparse.Namespace) -> dict[str, Any]:
    """The figures of a run: memory over time, its peak, and the speed of its updates.

    The peak is the kernel's own, of which no reading can miss a moment.
    """
    log = args.out / f"{name}.log"
    begin, curve = time.monotonic(), []
    with log.open("w", encoding="utf-8") as file:
        process = subprocess.Popen(
            command(run, data, args),
            stdout=file,
            stderr=subprocess.STDOUT,
            env={**os.environ, "OMP_NUM_THREADS": str(args.threads)},
        )
        statm = Path(f"/proc/{process.pid}/statm")
        ended = 0
        while not ended:
            curve.append((round(time.monotonic() - begin, 2), resident(statm)))
            time.sleep(EVERY)
            ended, status, usage = os.wait4(process.pid, os.WNOHANG)
    if os.waitstatus_to_exitcode(status):
        raise UserError(f"{name} failed, perhaps for want of memory: {log} tells why")
    return {
        "name": name,
        "command": shown(run, args),
        "peak": usage.ru_maxrss * 1024,
        "curve": curve,
        **speed(log.read_text(encoding="utf-8")),
    }


def resident(statm: Path) -> int:
    """A process's resident memory in bytes; 0 when it has ended."""
    try:
        return int(statm.read_text().split()[1]) * resource.getpagesize()
    except (OSError, IndexError):
        return 0


def speed(log: str) -> dict[str, Any]:
    """Medians over all updates but the first, which warms up, and the parameters of a model."""
    lines = [json.loads(line) for line in re.findall(r"\{\"epoch\".*\}", log)]
    updates = [line for line in lines if float(line.get("wps", 0)) > 0]
    # fairseq counts those of experts apart
    counts = re.findall(r"num\. (?:shared|expert) model params: ([\d,]+)", log)
    if not updates:
        raise UserError("no update was timed: ask for more --updates")
    return {
        "parameters": sum(int(count.replace(",", "")) for count in counts),
        "words_per_second": statistics.median(float(line["wps"]) for line in updates),
        "words_per_batch": statistics.median(float(line["wpb"]) for line in updates),
        "updates": len(lines),
    }


def table(results: list[dict[str, Any]]) -> str:
    """All runs side by side; seconds of an update are those of a batch at the median speed."""
    rows = [
        (
            result["name"],
            f"{result['parameters'] / 1e6:,.0f}",
            f"{result['peak'] / 1e9:.2f}",
            f"{result['peak'] / result['parameters']:.1f}",
            f"{result['words_per_batch'] / result['words_per_second']:.1f}",
            f"{result['words_per_second']:,.0f}",
        )
        for result in results
    ]
    head = ("run", "million parameters", "peak GB", "bytes a parameter", "s an update", "words/s")
    return markdown([head, *rows], "lrrrrr")


def plot(results: list[dict[str, Any]], path: Path) -> None:
    """Draws resident memory over time."""
    import matplotlib

    matplotlib.use("svg")
    matplotlib.rcParams["svg.hashsalt"] = "memory"  # the same file from the same figures
    import matplotlib.pyplot as plt

    figure, axes = plt.subplots(figsize=(7, 4.5))
    for number, result in enumerate(results):
        times, sizes = zip(*result["curve"], strict=True)
        color = plt.get_cmap("tab20")(number)
        axes.plot(times, [size / 1e9 for size in sizes], color=color, label=result["name"])
    axes.set(xlabel="seconds", ylabel="resident memory, GB", yscale="log")
    axes.set_ylim(bottom=0.1)  # before there is a model
    axes.legend(fontsize=7)
    figure.savefig(path, metadata={"Date": None})


@ending_in_a_sentence()
def main() -> None:
    """Runs the command."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("data", type=Path)
    parser.add_argument("--out", type=Path, required=True, help="where the runs are kept")
    parser.add_argument("--runs", nargs="+", choices=RUNS, default=[*RUNS], metavar="NAME")
    parser.add_argument("--tokens", type=positive, default=4000, help="of a batch (%(default)s)")
    parser.add_argument("--updates", type=positive, default=6, help="of a run (%(default)s)")
    parser.add_argument("--threads", type=positive, default=1, help="of a run (%(default)s)")
    args = parser.parse_args()
    if not (args.data / "dict.txt").is_file():
        parser.error(f"{args.data} has no dict.txt: make it with fairseq-preprocess --only-source")
    args.out.mkdir(parents=True, exist_ok=True)
    for name in args.runs:
        path = args.out / f"{name}.json"
        if not path.exists():
            print(f"{name} ...", flush=True)
            figures = measure(name, RUNS[name], args.data.resolve(), args)
            write_text(path, json.dumps(figures) + "\n")
        elif json.loads(path.read_text(encoding="utf-8"))["command"] != shown(RUNS[name], args):
            parser.error(f"{path} is of another command: take another --out, or remove it")
    results = [
        json.loads(path.read_text(encoding="utf-8"))
        for path in (args.out / f"{name}.json" for name in RUNS)
        if path.exists()
    ]
    print(f"Python {platform.python_version()}, torch {torch.__version__}\n")
    print(table(results))
    plot(results, args.out / "memory.svg")


if __name__ == "__main__":
    main()
