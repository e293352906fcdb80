"""Speed of beam search in sentences/s and useful GFLOPS, beside fairseq's lstm and its generator.

    python scripts/benchmark_search.py [--threads 2] [--json FILE]

Models have random weights and sentences random words; each translation is forced to --target words
and the end of sentence, so that all do equal work.  Useful GFLOPS are two operations for each
multiply-add of the encoder, once per source word, and of the decoder, once per hypothesis and
target word.  All contestants take turns in one process; medians of several rounds are compared.
"""

from __future__ import annotations

import argparse
import json
import platform
import statistics
import time
from argparse import Namespace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import torch
from fairseq.data import Dictionary
from fairseq.models.lstm import LSTMModel, base_architecture
from fairseq.sequence_generator import SequenceGenerator
from matrix_product import matrix_product
from torch import nn

import moe_nmt.plugin  # noqa: F401
from moe_nmt.errors import ending_in_a_sentence
from moe_nmt.files.tables import markdown
from moe_nmt.insight.counts import layer_operations, operations
from moe_nmt.models.architectures import TRANSLATION_MODELS
from moe_nmt.models.config import GNMTMoEConfig
from moe_nmt.models.gnmt_moe import GNMTMoEModel
from moe_nmt.moe.gate import Gate
from moe_nmt.search import Generator, Score, SearchOptions
from moe_nmt.search.generator import LengthLimit


class Contestant:
    """A model and its generator; counts the multiply-adds of a batch."""

    def __init__(self, generator: Any, encoder: int, decoder: int) -> None:
        self.generator = generator
        self.encoder = encoder  # multiply-adds per source word
        self.decoder = decoder  # multiply-adds per hypothesis and target word

    def turn(self, batch: dict[str, Any], beam: int, target: int) -> tuple[float, float]:
        """Translates a batch: sentences/s and useful GFLOPS."""
        start = time.perf_counter()
        found = self.generator.generate(None, batch)
        seconds = time.perf_counter() - start
        assert all(len(hypotheses[0]["tokens"]) == target + 1 for hypotheses in found)
        words = int(batch["net_input"]["src_lengths"].sum())
        work = words * self.encoder + len(found) * beam * (target + 1) * self.decoder
        return len(found) / seconds, 2 * work / seconds / 1e9


def dictionary(words: int) -> Dictionary:
    """A dictionary of so many entries."""
    entries = Dictionary()
    for index in range(words - len(entries)):
        entries.add_symbol(f"word{index}")
    return entries


def sentences(count: int, words: int) -> dict[str, Any]:
    """A batch of random sentences of 10 to 18 words, the longest first."""
    lengths = torch.randint(11, 20, (count,)).sort(descending=True).values  # with their ends
    tokens = torch.randint(4, words, (count, int(lengths[0])))
    place = torch.arange(tokens.size(1))
    tokens[place >= lengths[:, None]] = 1
    tokens[place == lengths[:, None] - 1] = 2
    return {"net_input": {"src_tokens": tokens, "src_lengths": lengths}}


def ours(args: argparse.Namespace, entries: Dictionary, **values: Any) -> Contestant:
    """Our model with our search, pruning off; its gates choose exactly k experts for a word."""
    task = SimpleNamespace(source_dictionary=entries, target_dictionary=entries)
    values = {**TRANSLATION_MODELS[args.arch], "gate": "noisy-top-k", **values}
    config = GNMTMoEConfig(**values)
    model = GNMTMoEModel.build_model(config, task)
    for gate in (module for module in model.modules() if isinstance(module, Gate)):
        for parameter in gate.parameters():
            nn.init.normal_(parameter, std=0.05)  # zero gates would send all words to one expert
    options = SearchOptions(args.beam, score=Score(0.2, 0.2), min_length=args.target)
    generator = Generator([model], entries, options, LengthLimit(0, args.target))
    source_projection = model.decoder.first_layer.attention.source_projection
    encoder = layer_operations(model.encoder).total() + source_projection.weight.numel()
    return Contestant(generator, encoder, operations(model).total() - encoder)


def fairseqs(args: argparse.Namespace, entries: Dictionary) -> Contestant:
    """fairseq's lstm with fairseq's beam search; two layers each, the encoder bidirectional."""
    dim = TRANSLATION_MODELS[args.arch]["model_dim"]
    options = Namespace(
        encoder_embed_dim=dim,
        encoder_hidden_size=dim,
        encoder_layers=2,
        encoder_bidirectional=True,
        decoder_embed_dim=dim,
        decoder_hidden_size=dim,
        decoder_layers=2,
        decoder_out_embed_dim=dim,
        share_all_embeddings=True,
        decoder_attention="1",
        criterion="cross_entropy",
    )
    base_architecture(options)
    task = SimpleNamespace(source_dictionary=entries, target_dictionary=entries)
    model = LSTMModel.build_model(options, task)
    generator = SequenceGenerator(
        [model], entries, beam_size=args.beam, min_len=args.target, max_len_b=args.target
    )
    lstm = model.encoder.lstm
    encoder = 2 * sum(
        p.numel() for name, p in lstm.named_parameters() if "weight" in name and "reverse" in name
    )
    matrices = [m for m in model.decoder.modules() if isinstance(m, nn.Linear | nn.LSTMCell)]
    decoder = sum(p.numel() for m in matrices for p in m.parameters() if p.dim() == 2)
    return Contestant(generator, encoder, decoder + model.decoder.embed_tokens.weight.numel())


@ending_in_a_sentence()
def main() -> None:
    """Runs the command."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--arch", default="gnmt_moe_multi30k", choices=TRANSLATION_MODELS)
    parser.add_argument("--words", type=int, default=6000, help="of the vocabulary")
    parser.add_argument("--beam", type=int, default=5)
    parser.add_argument("--target", type=int, default=20, help="words of a translation")
    parser.add_argument("--batch", type=int, nargs="+", default=[40, 1], help="sentences")
    parser.add_argument("--threads", type=int, default=torch.get_num_threads())
    parser.add_argument("--rounds", type=int, default=9)
    parser.add_argument("--json", type=Path, help="write the figures here too")
    args = parser.parse_args()
    torch.set_num_threads(args.threads)
    torch.set_grad_enabled(False)
    torch.manual_seed(1)

    entries = dictionary(args.words)
    contestants = {
        f"{args.arch}, output feed": ours(args, entries, attention_feed="output"),
        f"{args.arch}, input feed": ours(args, entries, attention_feed="input"),
        f"{args.arch}, output feed, bf16": ours(args, entries, attention_feed="output"),
        "fairseq's lstm": fairseqs(args, entries),
    }
    contestants[f"{args.arch}, output feed, bf16"].generator.models[0].to_bfloat16()
    product = matrix_product(2048, 512, 2048)
    figures: dict[str, dict[str, list[float]]] = {}
    peak: list[float] = []
    batches = {count: sentences(count, args.words) for count in args.batch}
    for round_ in range(args.rounds + 1):  # one to warm up
        for count, batch in batches.items():
            for name, contestant in contestants.items():
                speed, gflops = contestant.turn(batch, args.beam, args.target)
                if round_:
                    row = figures.setdefault(f"{name}, batch {count}", {"speed": [], "gflops": []})
                    row["speed"].append(speed)
                    row["gflops"].append(gflops)
        peak.append(product())

    print(f"torch {torch.__version__}, {args.threads} threads, {platform.processor() or 'CPU'}")
    rows = [("", "multiply-adds a step, encoder and decoder, M", "sentences/s", "useful GFLOPS")]
    for name, row in figures.items():
        contestant = contestants[name.rpartition(", ")[0]]
        steps = f"{contestant.encoder / 1e6:.2f}, {contestant.decoder / 1e6:.2f}"
        speed, gflops = (statistics.median(row[kind]) for kind in ("speed", "gflops"))
        rows.append((name, steps, f"{speed:.1f}", f"{gflops:.1f}"))
    rows.append(("matrix product", "", "", f"{statistics.median(peak):.0f}"))
    print(markdown(rows))
    if args.json:
        work = {name: [c.encoder, c.decoder] for name, c in contestants.items()}
        everything = {"figures": figures, "matrix_product": peak, "multiply_adds": work}
        args.json.write_text(json.dumps(everything, indent=1) + "\n")


if __name__ == "__main__":
    main()
