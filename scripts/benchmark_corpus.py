"""Speed and memory of moe-nmt-prepare on generated text, beside the tools that it builds on.

    python scripts/benchmark_corpus.py FOLDER --pairs 1000000 [--workers 2] [--json FILE]

The text is of random words with the frequencies of natural ones (Zipf), 25 a sentence on average.
Each stage's rate is from its own record; memory is that of all processes together, shared pages
counted once (PSS).  Then the same files go through SentencePiece's own threads, subword-nmt's
apply-bpe and fairseq-preprocess, with as many workers; ours and theirs take turns.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import shutil
import statistics
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
import sentencepiece

from moe_nmt.corpus.binarise import binarise
from moe_nmt.corpus.dictionary import build_dictionary
from moe_nmt.corpus.files import read_text, written_whole
from moe_nmt.corpus.parallel import available_cores
from moe_nmt.corpus.subword import apply_to_file, learn

LANGUAGES = ("en", "fr")
HELD_OUT = 3000  # sentences of the dev set
TYPES = 100_000  # words of a language
BLOCK = 10_000
POLL = 0.2  # seconds
WMT14, CORES = 36_000_000, 16  # pairs of English-French, and on what they are to be prepared

Seconds = tuple[float, float]  # by the clock, and of all processes' work


def words(generator: np.random.Generator) -> np.ndarray:
    """Random words: short ones first, as in natural text."""
    letters = np.array(list("etaoinshrdlucmfwypvbgkqjxz\u00e9\u00e8\u00e0"))
    share = 1 / np.arange(1, len(letters) + 1)
    lengths = np.clip(generator.normal(2 + np.log(np.arange(1, TYPES + 1)), 2), 1, 20).astype(int)
    drawn = generator.choice(letters, lengths.sum(), p=share / share.sum())
    text, ends = "".join(drawn), np.cumsum(lengths)
    return np.array([text[e - n : e] for e, n in zip(ends, lengths, strict=True)])


def generate(folder: Path, pairs: int, seed: int) -> None:
    """Writes train and valid: 5% of the training pairs have occurred before."""
    generator = np.random.default_rng(seed)
    vocabulary = [words(generator) for _ in LANGUAGES]
    share = np.cumsum(1 / np.arange(1, TYPES + 1))
    folder.mkdir(parents=True, exist_ok=True)
    for split, count in (("valid", HELD_OUT), ("train", pairs)):
        files = [(folder / f"{split}.{language}").open("w") for language in LANGUAGES]
        for begin in range(0, count, BLOCK):
            size = min(BLOCK, count - begin)
            sentences = []
            lengths = np.clip(generator.gamma(2.5, 10, size), 1, 170).astype(int)
            for known in vocabulary:
                ranks = np.searchsorted(share, generator.random(lengths.sum()) * share[-1])
                drawn = known[np.minimum(ranks, TYPES - 1)].tolist()
                ends = np.cumsum(lengths).tolist()
                starts = [0, *ends[:-1]]
                sentences.append(
                    [f"{' '.join(drawn[a:b])}.\n" for a, b in zip(starts, ends, strict=True)]
                )
            if split == "train":  # some of the block occur in it again
                again = generator.integers(0, size, size // 20)
                for side in sentences:
                    for place, source in enumerate(again):
                        side[-1 - place] = side[source]
            for file, side in zip(files, sentences, strict=True):
                file.writelines(side)
        for file in files:
            file.close()


def memory(process: int) -> int:
    """Bytes of a process and its children, shared pages counted once."""
    total = 0
    try:
        children = Path(f"/proc/{process}/task/{process}/children").read_text().split()
        for line in Path(f"/proc/{process}/smaps_rollup").read_text().splitlines():
            if line.startswith("Pss:"):
                total += int(line.split()[1]) * 1024
    except OSError:  # it ended
        return 0
    return total + sum(memory(int(child)) for child in children)


def prepare(folder: Path, workers: int, sample: int) -> tuple[dict[str, Seconds], int]:
    """Runs moe-nmt-prepare; returns what every stage took, and the peak of memory."""
    out = folder / "out"
    if out.exists():
        shutil.rmtree(out)
    process = subprocess.Popen(
        [
            *(sys.executable, "-m", "moe_nmt.cli.prepare", "--destdir", str(out)),
            *("--workers", str(workers), "--sample", str(sample)),
            *("--train", *(str(folder / f"train.{language}") for language in LANGUAGES)),
            *("--valid", *(str(folder / f"valid.{language}") for language in LANGUAGES)),
        ]
    )
    peak = 0
    while process.poll() is None:
        peak = max(peak, memory(process.pid))
        time.sleep(POLL)
    if process.returncode != 0:
        sys.exit(process.returncode)
    records = sorted((out / ".stages").glob("*.json"), key=lambda path: path.stat().st_mtime)
    found = {path.stem: json.loads(path.read_text()) for path in records if path.stem != "hashes"}
    return {name: (it["seconds"], it["cpu_seconds"]) for name, it in found.items()}, peak


def peers(folder: Path, workers: int) -> dict[str, Callable[[], object]]:
    """Our stages and others' tools on the same cleaned text of one language."""
    out, scratch = folder / "out", folder / "peers"
    scratch.mkdir(exist_ok=True)
    text, pieces = out / "text/train.en", out / "pieces/train.en"
    model, merges = out / "subword.model", scratch / "merges"
    learn([text], "bpe", 2000, 1, merges, sample=5_000)
    dictionary = scratch / "dict.en.txt"

    def spm() -> None:
        processor = sentencepiece.SentencePieceProcessor(model_file=str(model))
        with written_whole(scratch / "spm") as part, part.open("w", encoding="utf-8") as file:
            lines = list(read_text(text))
            for begin in range(0, len(lines), 100_000):
                block = lines[begin : begin + 100_000]
                for line in processor.encode(block, out_type=str, num_threads=workers):
                    file.write(" ".join(line) + "\n")

    def run(*command: object) -> None:
        subprocess.run([*map(str, command)], check=True, stdout=subprocess.DEVNULL)

    def fairseq() -> None:
        target = scratch / "fairseq"
        if target.exists():
            shutil.rmtree(target)
        run(
            *("fairseq-preprocess", "-s", "en", "--only-source", "--trainpref"),
            *(pieces.with_suffix(""), "--destdir", target, "--workers", workers),
            *("--nwordssrc", 32004),
        )

    def ours() -> None:
        build_dictionary([pieces], 32000, dictionary, workers)
        binarise(pieces, dictionary, scratch / "train.en", workers)

    bpe = ["subword-nmt", "apply-bpe", "-c", merges, "--input", text, "--num-workers", workers]
    return {
        "SentencePiece, ours": lambda: apply_to_file(text, scratch / "a", model, workers=workers),
        "SentencePiece, its own threads": spm,
        "byte pairs, ours": lambda: apply_to_file(text, scratch / "b", merges, workers=workers),
        "subword-nmt apply-bpe": lambda: run(*bpe, "--output", scratch / "c"),
        "dictionary and binarise, ours": ours,
        "fairseq-preprocess": fairseq,
    }


def median_seconds(runs: dict[str, Callable[[], object]], rounds: int) -> dict[str, Seconds]:
    """Everyone takes a turn in each round."""
    measured: dict[str, list[Seconds]] = {name: [] for name in runs}
    for _ in range(rounds):
        for name, run in runs.items():
            begin, cpu = time.perf_counter(), sum(os.times()[:4])
            run()
            measured[name].append((time.perf_counter() - begin, sum(os.times()[:4]) - cpu))
    return {
        name: (statistics.median(clock), statistics.median(cpu))
        for name, (clock, cpu) in ((n, zip(*m, strict=True)) for n, m in measured.items())
    }


def table(title: str, seconds: dict[str, Seconds], count: int) -> None:
    """Prints a table of rates."""
    print(f"\n| {title} | seconds | per second | CPU seconds | per CPU second |")
    print("|---|---|---|---|---|")
    for name, values in seconds.items():
        cells = (f"{value:.1f} | {count / max(value, 0.01):,.0f}" for value in values)
        print(f"| {name} | {' | '.join(cells)} |")


def main(arguments: Sequence[str] | None = None) -> None:
    """Runs the command."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("folder", type=Path, help="for the text and all that is made of it")
    parser.add_argument("--pairs", type=int, default=1_000_000)
    parser.add_argument("--workers", type=int, default=available_cores())
    parser.add_argument("--sample", type=int, default=4_000_000, help="lines for the subwords")
    parser.add_argument("--rounds", type=int, default=3, help="of the comparison; 0 leaves it out")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--json", type=Path, help="write the figures here too")
    args = parser.parse_args(arguments)
    folder = args.folder / f"{args.pairs}-pairs"
    generate(folder, args.pairs, args.seed)
    seconds, peak = prepare(folder, args.workers, args.sample)
    train = {name: value for name, value in seconds.items() if "valid" not in name}
    total = (sum(clock for clock, _ in train.values()), sum(cpu for _, cpu in train.values()))
    print(f"\n{args.pairs:,} pairs, {args.workers} workers, {platform.machine()}")
    table("stage, in pairs", {**train, "all": total}, args.pairs)
    # subwords are learned from a sample, whatever the size; joining the corpora is one process's
    alone = seconds["subwords"][1] + seconds["train"][1] * WMT14 / args.pairs
    shared = sum(cpu for name, (_, cpu) in train.items() if name not in ("subwords", "train"))
    hours = (alone + shared * WMT14 / args.pairs / CORES) / 3600
    print(f"\npeak of memory: {peak / 2**20:,.0f} MiB")
    print(f"{WMT14:,} pairs on {CORES} cores, from CPU seconds: {hours:.2f} h")
    figures: dict[str, object] = {"pairs": args.pairs, "stages": seconds, "peak": peak}
    if args.rounds:
        compared = median_seconds(peers(folder, args.workers), args.rounds)
        table("one language, in lines", compared, args.pairs)
        figures["compared"] = compared
    if args.json:
        args.json.write_text(json.dumps(figures, indent=1) + "\n")


if __name__ == "__main__":
    main()
