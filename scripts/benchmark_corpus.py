"""Speed and memory of moe-nmt-prepare on generated text, beside the tools that it builds on.

    python scripts/benchmark_corpus.py FOLDER --pairs 1000000 [--workers 2] [--json FILE]

The text is of random words with the frequencies of natural ones (Zipf), 25 a sentence on average;
it comes from an archive, as WMT's does.  Each stage's times are from its own record, reading,
hashing and counting included; memory is that of all processes, shared pages counted once (PSS).

The estimate for WMT'14 takes for each stage the CPU time of the main process, or that of all
processes shared by the cores where it is more; subwords are learned from a sample of the same size
whatever the corpus, so they count with their own time here.

Then the same files go through SentencePiece's own threads, subword-nmt's apply-bpe and
fairseq-preprocess, with as many workers; ours and theirs take turns.
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
import tarfile
import time
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np
import sentencepiece
import yaml

from moe_nmt.corpus.preparation.binarise import binarise
from moe_nmt.corpus.preparation.dictionary import build_dictionary
from moe_nmt.corpus.subwords.subword import METHODS, apply_to_file, learn
from moe_nmt.corpus.subwords.vocabulary_size import PAPERS
from moe_nmt.errors import ending_in_a_sentence
from moe_nmt.files.hashes import sha256
from moe_nmt.files.parallel import available_cores
from moe_nmt.files.tables import markdown
from moe_nmt.files.text import count_lines, read_text, written_whole

LANGUAGES, CORPUS = ("en", "fr"), "generated"
HELD_OUT = 3000  # sentences of the dev set
TYPES = 100_000  # words of a language
BLOCK = 10_000
POLL = 0.2  # seconds
WMT14, CORES = 36_000_000, 16  # pairs of English-French, and on what they are to be prepared

Seconds = tuple[float, float]  # by the clock, and of all processes' work


@dataclass(frozen=True)
class Measured:
    """A stage: seconds by the clock and of work, and the most memory in bytes."""

    seconds: float
    main: float
    workers: float
    peak: int

    @property
    def work(self) -> float:
        """Of all processes."""
        return self.main + self.workers


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


def publish(folder: Path) -> Path:
    """Puts the training text into an archive; returns its description."""
    archive = folder / "archives" / "train.tgz"
    archive.parent.mkdir(exist_ok=True)
    members = {language: f"train.{language}" for language in LANGUAGES}
    with tarfile.open(archive, "w:gz", compresslevel=1) as tar:
        for name in members.values():
            tar.add(folder / name, name)
            (folder / name).unlink()
    data = {
        "name": CORPUS,
        "archive": {"urls": ["https://host/train.tgz"], "sha256": sha256(archive)},
        "pairs": {"-".join(LANGUAGES): {"members": members}},
    }
    description = folder / "train.yaml"
    description.write_text(yaml.safe_dump(data))
    return description


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


def prepare(folder: Path, description: Path, options: Sequence[str]) -> dict[str, Measured]:
    """Runs moe-nmt-prepare; returns what every stage took."""
    out = folder / "out"
    if out.exists():
        shutil.rmtree(out)
    process = subprocess.Popen(
        [
            *(sys.executable, "-m", "moe_nmt.cli.prepare", "--destdir", str(out), *options),
            *("--languages", *LANGUAGES, "--corpora", str(description)),
            *("--archives", str(folder / "archives")),
            *("--valid", *(str(folder / f"valid.{language}") for language in LANGUAGES)),
        ]
    )
    peaks: Counter[str] = Counter()
    while process.poll() is None:
        started = sorted((out / ".stages").glob("*.started"), key=lambda path: path.stat().st_mtime)
        if started:
            stage = started[-1].stem
            peaks[stage] = max(peaks[stage], memory(process.pid))
        time.sleep(POLL)
    if process.returncode != 0:
        sys.exit(process.returncode)
    records = sorted((out / ".stages").glob("*.json"), key=lambda path: path.stat().st_mtime)
    found = {path.stem: json.loads(path.read_text()) for path in records if path.stem != "hashes"}
    return {
        name: Measured(it["seconds"], **it["cpu_seconds"], peak=peaks[name])
        for name, it in found.items()
    }


def hours(stages: dict[str, Measured], pairs: int) -> float:
    """The estimate for all of WMT'14 on many cores."""
    seconds = 0.0
    for name, stage in stages.items():
        if name == "subwords":
            seconds += stage.seconds
        elif "valid" not in name:
            seconds += max(stage.main, stage.work / CORES) * WMT14 / pairs
    return seconds / 3600


def peers(folder: Path, workers: int, method: str) -> dict[str, Callable[[], object]]:
    """Our stages and others' tools on the same cleaned text of one language."""
    out, scratch = folder / "out", folder / "peers"
    scratch.mkdir(exist_ok=True)
    text, pieces = out / "text/train.en", out / "pieces/train.en"
    model, merges = out / "subword.model", scratch / "merges"
    learn([text], "moses-bpe", 8000, 1, merges, sample=50_000)  # the text is words between spaces
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
        build_dictionary([pieces], PAPERS, dictionary, workers)
        binarise(pieces, dictionary, scratch / "train.en", workers)

    bpe = ["subword-nmt", "apply-bpe", "-c", merges, "--input", text, "--num-workers", workers]
    pieces_of: dict[str, Callable[[], object]] = {
        "SentencePiece, ours": lambda: apply_to_file(text, scratch / "a", model, workers=workers),
        "SentencePiece, its own threads": spm,
    }
    return {
        **(pieces_of if method == "sentencepiece" else {}),
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


def tables(
    stages: dict[str, Measured],
    compared: dict[str, Seconds],
    pairs: int,
    left: int,
    workers: int,
) -> str:
    """All figures; ``left``: the pairs that cleaning left."""
    whole = Measured(
        sum(it.seconds for it in stages.values()),
        sum(it.main for it in stages.values()),
        sum(it.workers for it in stages.values()),
        max(it.peak for it in stages.values()),
    )
    rows = [("stage", "seconds", "pairs/s", "CPU s, main process", "CPU s, workers", "peak MiB")]
    for name, it in {**stages, "all": whole}.items():
        rate = f"{pairs / max(it.seconds, 0.01):,.0f}"
        work = (f"{it.main:.1f}", f"{it.workers:.1f}")
        rows.append((name, f"{it.seconds:.1f}", rate, *work, f"{it.peak / 2**20:,.0f}"))
    parts = [
        f"{pairs:,} pairs, {workers} workers, {platform.machine()}",
        markdown(rows),
        f"{WMT14:,} pairs on {CORES} cores: {hours(stages, pairs):.2f} h",
    ]
    peers = [("one language", "seconds", "lines/s", "CPU seconds")]
    for name, (clock, cpu) in compared.items():
        peers.append((name, f"{clock:.1f}", f"{left / clock:,.0f}", f"{cpu:.1f}"))
    if compared:
        parts.append(markdown(peers))
    return "\n\n".join(parts)


@ending_in_a_sentence()
def main(arguments: Sequence[str] | None = None) -> None:
    """Runs the command."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("folder", type=Path, help="for the text and all that is made of it")
    parser.add_argument("--pairs", type=int, default=1_000_000)
    parser.add_argument("--workers", type=int, default=available_cores())
    parser.add_argument("--subword", choices=METHODS, default=METHODS[0])
    parser.add_argument("--sample", type=int, default=4_000_000, help="lines for the subwords")
    parser.add_argument("--rounds", type=int, default=3, help="of the comparison; 0 leaves it out")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--json", type=Path, help="write the figures here too")
    args = parser.parse_args(arguments)
    folder = args.folder / f"{args.pairs}-pairs"
    generate(folder, args.pairs, args.seed)
    options = ["--workers", args.workers, "--sample", args.sample, "--subword", args.subword]
    options += ["--vocabulary", PAPERS]  # whatever the size of the text
    stages = prepare(folder, publish(folder), [*map(str, options)])
    compared = {}
    if args.rounds:
        runs = peers(folder, args.workers, args.subword)
        compared = median_seconds(runs, args.rounds)
    left = count_lines(folder / "out/text/train.en")
    print(f"\n{tables(stages, compared, args.pairs, left, args.workers)}")
    if args.json:
        plain = {name: asdict(stage) for name, stage in stages.items()}
        figures = {"pairs": args.pairs, "stages": plain, "compared": compared}
        args.json.write_text(json.dumps(figures, indent=1) + "\n")


if __name__ == "__main__":
    main()
