"""Speed and memory of the layer, forward and backward, beside dense products and other libraries.

    python scripts/benchmark_layer.py [--experts 4 32 256 1024] [--json FILE] [--plot FILE.svg]

All contestants take turns in one process; medians of several rounds are compared.  A ratio is the
contestant's useful multiply-adds per second over those of two dense matrix products with a ReLU
between them on as many rows: the same work with a single expert and without routing.  "Floor" is
what the slower of memory and arithmetic allows, added up: every weight read once forward and once
backward and every gradient written once, at the measured bandwidth, plus the dense products.

Other libraries take part where they are installed, in their own defaults but for the sizes:
transformers, fairscale, mixture-of-experts, st-moe-pytorch.
"""

from __future__ import annotations

import argparse
import json
import multiprocessing
import platform
import statistics
import sys
import time
from pathlib import Path
from typing import Any

import torch
from layer_contestants import CONTESTANTS, Contestant, Sizes, Turn

from moe_nmt.errors import ending_in_a_sentence
from moe_nmt.files.tables import markdown


def seconds(turn: Turn, device: str) -> float:
    """Times a turn."""
    if device == "cuda":
        torch.cuda.synchronize()
    start = time.perf_counter()
    turn()
    if device == "cuda":
        torch.cuda.synchronize()
    return time.perf_counter() - start


def bandwidth(device: str, rounds: int) -> float:
    """Bytes per second that a copy of half a gigabyte reads and writes."""
    source = torch.ones(2**26, device=device)
    target = torch.empty_like(source)
    times = [seconds(lambda: target.copy_(source), device) for _ in range(rounds + 1)]
    return 2 * source.numel() * 4 / statistics.median(times[1:])


def most_resident() -> float:
    """The most memory that this process has had, in MiB (Linux).

    Unlike ru_maxrss this figure is not inherited from the parent.
    """
    status = Path("/proc/self/status").read_text()
    (line,) = (line for line in status.splitlines() if line.startswith("VmHWM"))
    return int(line.split()[1]) / 2**10


def peak_memory(name: str, sizes: Sizes, threads: int, turns: int, answer: Any) -> None:
    """In a process of its own: the most memory that the turns take, in MiB, without the weights."""
    torch.set_num_threads(threads)
    contestant = CONTESTANTS[name](sizes)
    if sizes.device == "cuda":
        before: float = torch.cuda.memory_allocated()
        torch.cuda.reset_peak_memory_stats()
        for _ in range(turns):
            contestant.turn()
        answer.send((torch.cuda.max_memory_allocated() - before) / 2**20)
        return
    Path("/proc/self/clear_refs").write_text("5")  # what building took does not count
    before = most_resident()
    for _ in range(turns):
        contestant.turn()
    answer.send(most_resident() - before)


def peak_memory_apart(name: str, sizes: Sizes, threads: int, turns: int) -> float:
    """``peak_memory`` from another process."""
    context = multiprocessing.get_context("spawn")
    mine, other = context.Pipe()
    process = context.Process(target=peak_memory, args=(name, sizes, threads, turns, other))
    process.start()
    value: float = mine.recv()
    process.join()
    return value


def measure(
    sizes: Sizes, names: list[str], rounds: int, patience: float, threads: int
) -> list[dict[str, Any]]:
    """The figures of these contestants for one number of experts, the floor's last.

    Who has used up ``patience`` seconds takes part in no further round; where the first turn, which
    otherwise only warms up, takes that long, it is the one that counts.
    """
    contestants: dict[str, Contestant] = {}
    for name in names:
        try:
            contestants[name] = CONTESTANTS[name](sizes)
        except (ImportError, OSError) as error:
            print(f"skipped: {name} ({error})")
    times: dict[str, list[float]] = {}
    for name, contestant in contestants.items():
        first = seconds(contestant.turn, sizes.device)
        times[name] = [first] if first >= patience else []
    for _ in range(rounds):
        for name, contestant in contestants.items():
            if sum(times[name]) < patience:
                times[name].append(seconds(contestant.turn, sizes.device))
    baseline = statistics.median(times["dense"]) / contestants["dense"].work
    rows: list[dict[str, Any]] = []
    for name, contestant in contestants.items():
        median = statistics.median(times[name])
        turns = 2 if len(times[name]) > 1 else 1
        print(f"{sizes.experts} experts, {name}: {median:.3f} s", file=sys.stderr)
        rows.append(
            {
                "name": name,
                "experts": sizes.experts,
                "seconds": times[name],
                "ratio": baseline * contestant.work / median,
                "dropped": contestant.dropped(),
                "peak_memory_mib": peak_memory_apart(name, sizes, threads, turns),
            }
        )
    memory = 3 * sizes.weight_bytes / bandwidth(sizes.device, rounds)
    work = statistics.median(times["dense"])
    rows.append(
        {
            "name": "floor",
            "experts": sizes.experts,
            "seconds": [memory + work],
            "ratio": work / (memory + work),
        }
    )
    return rows


def table(rows: list[dict[str, Any]], experts: list[int]) -> str:
    """Ratios by contestant and number of experts, in Markdown; dropped and memory of the last."""
    last = experts[-1]
    head = [*(f"n = {n}" for n in experts), f"dropped, n = {last}", f"peak MiB, n = {last}"]
    lines = [["ratio to dense", *head]]
    for name in dict.fromkeys(row["name"] for row in rows):
        mine = {row["experts"]: row for row in rows if row["name"] == name}
        cells = [f"{mine[n]['ratio']:.3f}" if n in mine else "" for n in experts]
        end = mine.get(last, {})
        cells.append(f"{end['dropped']:.1%}" if "dropped" in end else "")
        cells.append(f"{end['peak_memory_mib']:.0f}" if "peak_memory_mib" in end else "")
        lines.append([name, *cells])
    return markdown(lines)


def plot(rows: list[dict[str, Any]], path: Path) -> None:
    """Draws ratio over number of experts."""
    import matplotlib

    matplotlib.use("svg")
    matplotlib.rcParams["svg.hashsalt"] = "layer"  # the same file from the same figures
    import matplotlib.pyplot as plt

    figure, axes = plt.subplots(figsize=(7, 4.5))
    for name in dict.fromkeys(row["name"] for row in rows):
        mine = [row for row in rows if row["name"] == name]
        style = {"moe_nmt": "o-", "floor": "k:"}.get(name, ".--")
        axes.plot([r["experts"] for r in mine], [r["ratio"] for r in mine], style, label=name)
    axes.set(xscale="log", yscale="log", xlabel="experts", ylabel="speed, ratio to dense")
    axes.legend(fontsize=7)
    figure.savefig(path, metadata={"Date": None})


@ending_in_a_sentence()
def main() -> None:
    """Runs the command."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--experts", type=int, nargs="+", default=[4, 32, 256, 1024])
    parser.add_argument("--tokens", type=int, default=2048)
    parser.add_argument("--dim", type=int, default=256)
    parser.add_argument("--hidden", type=int, default=512)
    parser.add_argument("--k", type=int, default=4)
    parser.add_argument("--device", choices=["cpu", "cuda"], default="cpu")
    parser.add_argument("--dtype", choices=["float32", "bfloat16"], default="float32")
    parser.add_argument("--threads", type=int, default=torch.get_num_threads())
    parser.add_argument("--rounds", type=int, default=9)
    parser.add_argument(
        "--patience", type=float, default=20.0, help="seconds for all rounds of a contestant"
    )
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--json", type=Path, help="write the figures here too")
    parser.add_argument("--plot", type=Path, help="draw the ratios here, as SVG")
    args = parser.parse_args()
    torch.set_num_threads(args.threads)
    torch.manual_seed(args.seed)
    dtype = getattr(torch, args.dtype)

    rows = []
    names = list(CONTESTANTS)
    for experts in sorted(args.experts):
        sizes = Sizes(args.tokens, args.dim, args.hidden, args.k, experts, args.device, dtype)
        new = measure(sizes, names, args.rounds, args.patience, args.threads)
        rows += new
        # Whose turn took longer than all rounds may is not asked to do it with more experts.
        names = [row["name"] for row in new if row["seconds"][0] < args.patience]
        names.remove("floor")
    device = torch.cuda.get_device_name() if args.device == "cuda" else platform.processor()
    print(
        f"torch {torch.__version__}, {device or 'CPU'}, {args.threads} threads, {args.dtype}, ",
        end="",
    )
    print(f"{args.tokens} tokens, d {args.dim}, hidden {args.hidden}, k {args.k}")
    print(table(rows, args.experts))
    if args.json:
        args.json.write_text(json.dumps(rows, indent=1) + "\n")
    if args.plot:
        plot(rows, args.plot)


if __name__ == "__main__":
    main()
