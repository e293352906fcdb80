"""The server under load: sentences/s and waiting, beside translating the same lines as a file.

    python scripts/benchmark_server.py FOLDER TEXT [--clients 1 4 16] [--requests 200]

A client sends a sentence, waits for its answer and sends the next; a 503 is counted, and sent again
after a tenth of a second.  The bound is the same sentences at once, in this process.  Rounds of
both take turns; medians are compared.
"""

from __future__ import annotations

import argparse
import json
import platform
import statistics
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from itertools import islice
from pathlib import Path

import torch

from moe_nmt.errors import ending_in_a_sentence
from moe_nmt.files.tables import markdown
from moe_nmt.files.text import read_text
from moe_nmt.translation.loading import load_translator

AGAIN = 0.1  # seconds


@dataclass(frozen=True)
class Round:
    """What many clients saw."""

    rate: float  # sentences/s
    median: float  # seconds that an answer took, 503s and their waiting included
    slow: float  # seconds that 19 of 20 answers took less than
    busy: int  # answers 503


def ask(address: str, text: str) -> tuple[float, int]:
    """Seconds until the translation is there, and how often the server was too busy."""
    body = json.dumps({"text": text}).encode("utf-8")
    request = urllib.request.Request(
        f"{address}/translate", body, {"Content-Type": "application/json"}
    )
    start, busy = time.perf_counter(), 0
    while True:
        try:
            with urllib.request.urlopen(request, timeout=120) as answer:
                answer.read()
            return time.perf_counter() - start, busy
        except urllib.error.HTTPError as error:
            if error.code != 503:
                raise
        busy += 1
        time.sleep(AGAIN)


def load_round(address: str, texts: Sequence[str], clients: int) -> Round:
    """All texts from so many clients."""
    start = time.perf_counter()
    with ThreadPoolExecutor(clients) as pool:
        found = list(pool.map(lambda text: ask(address, text), texts))
    seconds = sorted(second for second, _ in found)
    return Round(
        len(texts) / (time.perf_counter() - start),
        statistics.median(seconds),
        seconds[int(0.95 * len(seconds))],
        sum(busy for _, busy in found),
    )


def measured(args: argparse.Namespace, texts: Sequence[str]) -> tuple[float, list[list[Round]]]:
    """Sentences/s at once, and for each number of clients its rounds."""
    translator = load_translator(args.folder, device=None, precision="fp32")
    command = [sys.executable, "-m", "moe_nmt.cli.serve", args.folder, "--port", "0"]
    command += ["--waiting", str(args.waiting)]
    at_once: list[float] = []
    rounds: list[list[Round]] = [[] for _ in args.clients]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as server:
        assert server.stdout is not None
        address = server.stdout.readline().split()[-1]
        ask(address, texts[0])
        for _ in range(args.repeats):
            start = time.perf_counter()
            translator.translate(texts)
            at_once.append(len(texts) / (time.perf_counter() - start))
            for found, clients in zip(rounds, args.clients, strict=True):
                found.append(load_round(address, texts, clients))
        server.terminate()
    return statistics.median(at_once), rounds


@ending_in_a_sentence()
def main() -> None:
    """The command line."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("folder", help="of moe-nmt-pack")
    parser.add_argument("text", type=Path, help="sentences of its source language")
    parser.add_argument("--clients", type=int, nargs="+", default=[1, 4, 16], metavar="N")
    parser.add_argument("--requests", type=int, default=200, metavar="N")
    parser.add_argument("--repeats", type=int, default=3, metavar="N")
    parser.add_argument("--waiting", type=int, default=256, metavar="N", help="of moe-nmt-serve")
    args = parser.parse_args()
    texts = list(islice(read_text(args.text), args.requests))
    bound, rounds = measured(args, texts)
    print(f"Python {platform.python_version()}, torch {torch.__version__}, ", end="")
    print(f"{torch.get_num_threads()} threads; at once: {bound:.1f} sentences/s\n")
    rows = [("clients", "sentences/s", "of at once", "median s", "95% s", "503")]
    for clients, found in zip(args.clients, rounds, strict=True):
        rate, median, slow = (
            statistics.median(values)
            for values in zip(*((one.rate, one.median, one.slow) for one in found), strict=True)
        )
        busy = sum(one.busy for one in found)
        columns = (f"{rate:.1f}", f"{rate / bound:.0%}", f"{median:.2f}", f"{slow:.2f}", f"{busy}")
        rows.append((f"{clients}", *columns))
    print(markdown(rows, "r" * len(rows[0])))


if __name__ == "__main__":
    main()
