"""What ``benchmark_layer.py`` compares: the layer, dense products, other libraries' layers."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from moe_nmt.moe import Experts, MixtureOfExperts, build_gate

Turn = Callable[[], object]


@dataclass(frozen=True)
class Sizes:
    """What all contestants have in common."""

    tokens: int
    dim: int
    hidden: int
    k: int
    experts: int
    device: str
    dtype: torch.dtype

    def random(self, *shape: int) -> Tensor:
        """Normal values."""
        return torch.randn(shape, device=self.device, dtype=self.dtype)

    def work(self, k: int) -> int:
        """Multiply-adds per token of k experts."""
        return 2 * k * self.dim * self.hidden

    @property
    def weight_bytes(self) -> int:
        """Bytes of all experts' weights."""
        return 2 * self.experts * self.dim * self.hidden * self.dtype.itemsize


@dataclass
class Contestant:
    """One layer in training."""

    turn: Turn
    work: int  # multiply-adds per token, forward; some libraries know k = 2 alone
    dropped: Callable[[], float]  # the share of assignments left out in the last turn


def nothing_dropped() -> float:
    """Of layers without a capacity."""
    return 0.0


def training(module: nn.Module, x: Tensor, forward: Callable[[Tensor], Tensor]) -> Turn:
    """A forward and backward pass with fresh gradients."""
    grad = torch.randn_like(x)

    def turn() -> None:
        module.zero_grad(set_to_none=True)
        forward(x.detach().requires_grad_()).backward(grad)

    return turn


class Products(nn.Module):
    """relu(x W_in) W_out without any routing, for one matrix each or a batch of them."""

    def __init__(self, sizes: Sizes, *batch: int) -> None:
        super().__init__()
        self.w_in = nn.Parameter(sizes.random(*batch, sizes.dim, sizes.hidden) * 0.05)
        self.w_out = nn.Parameter(sizes.random(*batch, sizes.hidden, sizes.dim) * 0.05)

    def forward(self, x: Tensor) -> Tensor:
        """[..., rows, dim] -> [..., rows, dim]."""
        return F.relu(x @ self.w_in) @ self.w_out


def dense(sizes: Sizes) -> Contestant:
    """One expert for all rows."""
    module = Products(sizes)
    x = sizes.random(sizes.tokens * sizes.k, sizes.dim)
    return Contestant(training(module, x, module), sizes.work(sizes.k), nothing_dropped)


def batched_products(sizes: Sizes) -> Contestant:
    """As many rows for every expert, already in place."""
    module = Products(sizes, sizes.experts)
    x = sizes.random(sizes.experts, sizes.tokens * sizes.k // sizes.experts, sizes.dim)
    return Contestant(training(module, x, module), sizes.work(sizes.k), nothing_dropped)


def ours(sizes: Sizes, recompute: bool = False) -> Contestant:
    """moe_nmt's layer with noisy top-k gating."""
    gate = build_gate("noisy-top-k", sizes.dim, sizes.experts, sizes.k)
    for weight in gate.parameters():
        nn.init.normal_(weight, std=0.05)
    experts = Experts(sizes.experts, sizes.dim, sizes.hidden, recompute)
    layer = MixtureOfExperts(gate, experts).to(sizes.device, sizes.dtype)
    x = sizes.random(sizes.tokens, sizes.dim)
    return Contestant(
        training(layer, x, lambda x: layer(x)[0]), sizes.work(sizes.k), nothing_dropped
    )


def ours_recomputing(sizes: Sizes) -> Contestant:
    """The same without keeping hidden activations."""
    return ours(sizes, recompute=True)


def mixtral(sizes: Sizes, implementation: str) -> Contestant:
    """transformers' block; its experts have three matrices, so a smaller hidden layer."""
    from transformers import MixtralConfig
    from transformers.models.mixtral.modeling_mixtral import MixtralSparseMoeBlock

    hidden = round(2 * sizes.hidden / 3 / 8) * 8  # the grouped product wants multiples of 8
    config = MixtralConfig(
        hidden_size=sizes.dim,
        intermediate_size=hidden,
        num_local_experts=sizes.experts,
        num_experts_per_tok=sizes.k,
    )
    config._experts_implementation = implementation
    block = MixtralSparseMoeBlock(config).to(sizes.device, sizes.dtype)
    for weight in block.parameters():
        nn.init.normal_(weight, std=0.05)
    x = sizes.random(1, sizes.tokens, sizes.dim)
    work = 3 * sizes.k * sizes.dim * hidden
    return Contestant(training(block, x, block), work, nothing_dropped)


def mixtral_eager(sizes: Sizes) -> Contestant:
    """A loop over experts."""
    return mixtral(sizes, "eager")


def mixtral_grouped(sizes: Sizes) -> Contestant:
    """torch's grouped product."""
    return mixtral(sizes, "grouped_mm")


def with_capacity(
    layer: nn.Module, gate: nn.Module, mask: int, sizes: Sizes, first: bool, k: int = 2
) -> Contestant:
    """A layer that drops what exceeds an expert's capacity.

    Its gate returns at index ``mask`` which of [tokens, experts, places] are taken, and the layer
    its output alone, or as the first of several.
    """
    kept = 0

    def count(module: nn.Module, inputs: Any, output: Any) -> None:
        nonlocal kept
        kept = int(output[mask].detach().bool().sum())

    gate.register_forward_hook(count)
    layer.to(sizes.device, sizes.dtype)
    x = sizes.random(1, sizes.tokens, sizes.dim)
    turn = training(layer, x, (lambda x: layer(x)[0]) if first else layer)
    return Contestant(turn, sizes.work(k), lambda: 1 - kept / (sizes.tokens * k))


def mixture_of_experts(sizes: Sizes) -> Contestant:
    """The package mixture-of-experts: top-2."""
    from mixture_of_experts import MoE

    layer = MoE(sizes.dim, num_experts=sizes.experts, hidden_dim=sizes.hidden)
    return with_capacity(layer, layer.gate, 0, sizes, first=True)


def st_moe(sizes: Sizes) -> Contestant:
    """The package st-moe-pytorch, each expert a module of its own."""
    from st_moe_pytorch import MoE

    experts = nn.ModuleList(
        nn.Sequential(
            nn.Linear(sizes.dim, sizes.hidden, bias=False),
            nn.ReLU(),
            nn.Linear(sizes.hidden, sizes.dim, bias=False),
        )
        for _ in range(sizes.experts)
    )
    layer = MoE(sizes.dim, num_experts=sizes.experts, gating_top_n=sizes.k, experts=experts)
    return with_capacity(layer, layer.gate, 0, sizes, first=True, k=sizes.k)


def fairscale(sizes: Sizes) -> Contestant:
    """fairscale's MOELayer: top-2, in a process group of one."""
    from fairscale.nn import MOELayer, Top2Gate

    if not torch.distributed.is_initialized():
        store = torch.distributed.HashStore()
        backend = "nccl" if sizes.device == "cuda" else "gloo"
        torch.distributed.init_process_group(backend, store=store, rank=0, world_size=1)
    experts = nn.ModuleList(Products(sizes) for _ in range(sizes.experts))
    layer = MOELayer(Top2Gate(sizes.dim, sizes.experts), experts)
    contestant = with_capacity(layer, layer.gate, 2, sizes, first=False)
    x = sizes.random(sizes.experts, -(-sizes.tokens // sizes.experts), sizes.dim)
    contestant.turn = training(layer, x, layer)
    return contestant


CONTESTANTS: dict[str, Callable[[Sizes], Contestant]] = {
    "dense": dense,
    "batched products, no routing": batched_products,
    "moe_nmt": ours,
    "moe_nmt, recomputing": ours_recomputing,
    "transformers Mixtral, eager": mixtral_eager,
    "transformers Mixtral, grouped_mm": mixtral_grouped,
    "fairscale MOELayer (k = 2)": fairscale,
    "mixture-of-experts (k = 2)": mixture_of_experts,
    "st-moe-pytorch": st_moe,
}
