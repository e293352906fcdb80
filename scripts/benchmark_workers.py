"""The mixture-of-experts layer on several workers: speed, and what communication costs.

    torchrun --nproc_per_node 2 scripts/benchmark_workers.py [--hidden 512 2048] [--tokens 2048]

Every worker has the same number of tokens, and a layer's forward and backward pass is timed.  Two
layers take turns: one whose experts are divided among the workers, and one that has them all on
each worker and sends nothing.  Medians of the slowest worker; gloo on CPUs, nccl on GPUs.  With
--nproc_per_node 1 the other layer is a local one, and the ratio the price of the distributed path.
"""

from __future__ import annotations

import argparse
import statistics
import time

import torch
import torch.distributed as dist
from torch import Tensor
from typing_extensions import override

from moe_nmt.distributed import ExpertParallel, Workers, average_gradients
from moe_nmt.errors import ending_in_a_sentence
from moe_nmt.files.tables import markdown
from moe_nmt.moe import MixtureOfExperts, build_mixture_of_experts


class TimedExpertParallel(ExpertParallel):
    """Workers that know how long rows have been under way, with the wait for other workers."""

    seconds = 0.0

    @override
    def travel(self, x: Tensor, send: list[int], receive: list[int]) -> Tensor:
        start = now(x.device)
        result = super().travel(x, send, receive)
        self.seconds += now(x.device) - start
        return result


def now(device: torch.device) -> float:
    """The time, when the device has done all it was asked."""
    if device.type == "cuda":
        torch.cuda.synchronize(device)
    return time.perf_counter()


def turn(layer: MixtureOfExperts, workers: Workers, x: Tensor) -> float:
    """Seconds of one forward and backward pass, gradients averaged."""
    start = now(x.device)
    y, _ = layer(x)
    y.square().mean().backward()
    average_gradients(layer, workers)
    seconds = now(x.device) - start
    layer.zero_grad()
    return seconds


def of_slowest(seconds: list[float]) -> float:
    """The median over turns, each as long as its slowest worker's."""
    slowest = torch.tensor(seconds)
    if dist.get_backend() == "nccl":
        slowest = slowest.cuda()
    dist.all_reduce(slowest, op=dist.ReduceOp.MAX)
    return statistics.median(slowest.tolist())


HEAD = (
    "workers",
    "hidden",
    "tokens/s",
    "share of time in the all-to-all",
    "bytes sent per 1000 multiply-adds",
    "time against experts on every worker",
)


def measure(arguments: argparse.Namespace, hidden: int, device: torch.device) -> tuple[object, ...]:
    """A row of the table."""
    divided = TimedExpertParallel()
    alone = ExpertParallel(1) if dist.get_world_size() > 1 else Workers()
    layers: dict[Workers, MixtureOfExperts] = {}
    for workers in (divided, alone):
        torch.manual_seed(1)
        layers[workers] = build_mixture_of_experts(
            arguments.dim, hidden, arguments.experts, arguments.k, workers=workers
        ).to(device)
    x = torch.randn(arguments.tokens, arguments.dim, device=device, requires_grad=True)
    seconds: dict[Workers, list[float]] = {divided: [], alone: []}
    traveling = []
    for number in range(arguments.turns + 1):
        for workers, layer in layers.items():
            divided.seconds, divided.bytes_sent = 0.0, 0
            spent = turn(layer, workers, x)
            if number > 0:  # the first one warms up
                seconds[workers].append(spent)
                if workers is divided:
                    traveling.append(divided.seconds)
                    sent = divided.bytes_sent
    whole, replicated = of_slowest(seconds[divided]), of_slowest(seconds[alone])
    operations = 3 * 2 * arguments.tokens * arguments.k * arguments.dim * hidden
    share = of_slowest(traveling) / whole
    rate = dist.get_world_size() * arguments.tokens / whole
    return (
        dist.get_world_size(),
        hidden,
        f"{rate:,.0f}",
        f"{share:.0%}",
        f"{1000 * sent / operations:.2f}",
        f"{whole / replicated:.3f}",
    )


@ending_in_a_sentence()
def main() -> None:
    """The command line."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--dim", type=int, default=512)
    parser.add_argument("--hidden", type=int, nargs="+", default=[512, 2048, 8192])
    parser.add_argument("--experts", type=int, default=16)
    parser.add_argument("--k", type=int, default=2)
    parser.add_argument("--tokens", type=int, default=1024, help="of each worker")
    parser.add_argument("--turns", type=int, default=9)
    arguments = parser.parse_args()
    device = torch.device("cpu")
    if torch.cuda.is_available():
        dist.init_process_group("nccl")
        device = torch.device("cuda", dist.get_rank() % torch.cuda.device_count())
        torch.cuda.set_device(device)
    else:
        dist.init_process_group("gloo")
    rows = [measure(arguments, hidden, device) for hidden in arguments.hidden]
    if dist.get_rank() == 0:
        print(markdown([HEAD, *rows], "r"))
    dist.destroy_process_group()


if __name__ == "__main__":
    main()
