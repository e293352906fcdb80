"""Training speed in achieved GFLOPS, beside fairseq's lstm and a plain matrix product.

    python scripts/benchmark_training.py DATA [--threads 2] [--json FILE]

DATA is a folder made by fairseq-preprocess --joined-dictionary.  All contestants take turns in one
process; the medians of several rounds are compared.  Achieved GFLOPS are 6 x multiply-adds per
target token x target tokens per second: two operations per multiply-add, and a backward pass of
twice the forward's.
"""

from __future__ import annotations

import argparse
import json
import logging
import platform
import statistics
import time
from pathlib import Path
from typing import Any

import torch
from fairseq import optim, options, tasks
from fairseq.dataclass.utils import convert_namespace_to_omegaconf
from matrix_product import matrix_product

import moe_nmt.plugin  # noqa: F401
from moe_nmt.errors import ending_in_a_sentence
from moe_nmt.files.tables import markdown
from moe_nmt.insight.counts import operations

USER_DIR = str(Path(__file__).resolve().parent.parent / "moe_nmt")
OURS = (
    "--task expert_parallel_translation --arch gnmt_moe_multi30k "
    "--criterion balanced_cross_entropy --optimizer fused_adam"
)
# fairseq's lstm at the size of ours; its encoder is bidirectional in all layers
FAIRSEQ_LSTM = (
    "--task translation --arch lstm --encoder-embed-dim 256 "
    "--encoder-hidden-size 256 --encoder-layers 2 --encoder-bidirectional "
    "--decoder-embed-dim 256 --decoder-hidden-size 256 --decoder-layers 2 "
    "--decoder-out-embed-dim 256 --share-all-embeddings --decoder-attention 1 "
    "--criterion label_smoothed_cross_entropy --optimizer adam --dropout 0.3"
)


class Training:
    """One model in training on batches of real text, each turn on the next batch."""

    def __init__(self, data: str, arguments: str, max_tokens: int) -> None:
        words = f"{data} --user-dir {USER_DIR} --label-smoothing 0.1 --lr 0.001 {arguments}"
        args = options.parse_args_and_arch(options.get_training_parser(), words.split())
        config = convert_namespace_to_omegaconf(args)
        self.task = tasks.setup_task(config.task)
        self.model = self.task.build_model(config.model)
        self.criterion = self.task.build_criterion(config.criterion)
        self.optimizer = optim.build_optimizer(config.optimizer, list(self.model.parameters()))
        self.task.load_dataset("train")
        iterator = self.task.get_batch_iterator(
            self.task.dataset("train"), max_tokens=max_tokens, seed=1
        )
        self.batches = iterator.next_epoch_itr(shuffle=True)

    def turn(self) -> float:
        """Trains on a batch; returns target tokens per second."""
        batch = next(self.batches)
        start = time.perf_counter()
        self.optimizer.zero_grad()
        _, size, _ = self.task.train_step(batch, self.model, self.criterion, self.optimizer, 1)
        self.optimizer.multiply_grads(1 / size)
        self.optimizer.clip_grad_norm(1.0)
        self.optimizer.step()
        return float(batch["ntokens"] / (time.perf_counter() - start))


def fairseq_lstm_operations(model: Any) -> int:
    """Multiply-adds per time step of fairseq's lstm, counted as ``operations`` counts ours."""
    encoder = model.encoder.lstm
    outputs = encoder.hidden_size
    count = 0
    for layer in range(encoder.num_layers):
        inputs = encoder.input_size if layer == 0 else 2 * outputs
        count += 2 * 4 * (inputs + outputs) * outputs
    cells = [m for m in model.modules() if isinstance(m, torch.nn.LSTMCell)]
    count += sum(4 * (c.input_size + c.hidden_size) * c.hidden_size for c in cells)
    linears = [m for m in model.modules() if isinstance(m, torch.nn.Linear)]
    count += sum(m.weight.numel() for m in linears)
    return count + model.decoder.embed_tokens.weight.numel()


@ending_in_a_sentence()
def main() -> None:
    """Runs the command."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("data")
    parser.add_argument("--threads", type=int, default=torch.get_num_threads())
    parser.add_argument("--rounds", type=int, default=15)
    parser.add_argument("--max-tokens", type=int, default=2000)
    parser.add_argument("--json", type=Path, help="write the figures here too")
    args = parser.parse_args()
    logging.disable(logging.INFO)
    torch.set_num_threads(args.threads)
    torch.manual_seed(1)

    runs = {
        f"gnmt_moe_multi30k, {feed} feed, {precision}": Training(
            args.data, f"{OURS} --attention-feed {feed} --precision {precision}", args.max_tokens
        )
        for precision, feed in (("fp32", "output"), ("bf16", "output"), ("fp32", "input"))
    }
    work = {name: operations(run.model).total() for name, run in runs.items()}
    runs["fairseq lstm, fp32"] = Training(args.data, FAIRSEQ_LSTM, args.max_tokens)
    work["fairseq lstm, fp32"] = fairseq_lstm_operations(runs["fairseq lstm, fp32"].model)
    products = {
        "matrix product, fp32": matrix_product(2048, 256, 1024),
        "matrix product, bf16": matrix_product(2048, 256, 1024, torch.bfloat16),
    }

    tokens: dict[str, list[float]] = {name: [] for name in runs}
    gflops: dict[str, list[float]] = {name: [] for name in products}
    for round_ in range(args.rounds + 2):  # two to warm up
        for name, run in runs.items():
            speed = run.turn()
            if round_ >= 2:
                tokens[name].append(speed)
        for name, product in products.items():
            speed = product()
            if round_ >= 2:
                gflops[name].append(speed)

    peak = {name.split(", ")[-1]: statistics.median(v) for name, v in gflops.items()}
    rows = [("model", "multiply-adds, M", "target tokens/s", "GFLOPS", "of the matrix product")]
    for name, speeds in tokens.items():
        speed = statistics.median(speeds)
        achieved = 6 * work[name] * speed / 1e9
        share = f"{achieved / peak[name.split(', ')[-1]]:.0%}"
        rows.append((name, f"{work[name] / 1e6:.2f}", f"{speed:.0f}", f"{achieved:.0f}", share))
    for name, speeds in gflops.items():
        rows.append((name, "", "", f"{statistics.median(speeds):.0f}", "100%"))
    print(f"torch {torch.__version__}, {args.threads} threads, {platform.processor() or 'CPU'}")
    print(markdown(rows))
    if args.json:
        figures = {"tokens_per_second": tokens, "gflops": gflops, "multiply_adds": work}
        args.json.write_text(json.dumps(figures, indent=1) + "\n")


if __name__ == "__main__":
    main()
