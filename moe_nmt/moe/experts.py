"""The experts: feed-forward networks of one shape, each with its own weights (section 2)."""

from __future__ import annotations

import math
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F
from torch.utils.checkpoint import checkpoint
from typing_extensions import override

from moe_nmt.moe.feed_forward import Receiver, feed_forward
from moe_nmt.moe.grouped import grouped_mm, has_kernel
from moe_nmt.moe.reused_memory import ReusedMemory
from moe_nmt.moe.workers import Shard, Workers


class Experts(nn.Module):
    """E_i(x) = relu(x W_in[i]) W_out[i] for every expert i, or with more hidden layers in between.

    The weights of all experts on this worker are stacked in one parameter per matrix, marked with
    the attribute ``expert`` for the optimizer and for gradient synchronisation.  An optimizer that
    takes their gradients during the backward pass gives them an attribute ``receiver``
    (``feed_forward.Receiver``).

    Args:
        num_experts: number of experts, on all workers.
        dim: size of the input.
        hidden: size of a hidden layer.
        recompute: compute the hidden activations again in the backward pass instead of keeping
            them, which is the larger part of a layer's activations (App. D).
        shard: which of them live on this worker; None for all.
        depth: number of hidden layers, each relu(h W[i]); the paper's MoE-1-Deep has four.
        precision: of the weights in memory; they are multiplied in that of the input.
        output_dim: size of the output; None: ``dim``.
    """

    def __init__(
        self,
        num_experts: int,
        dim: int,
        hidden: int,
        recompute: bool = False,
        shard: Shard | None = None,
        depth: int = 1,
        precision: torch.dtype = torch.float32,
        output_dim: int | None = None,
    ) -> None:
        super().__init__()
        if depth < 1:
            raise ValueError(f"an expert needs at least 1 hidden layer, not {depth}")
        self.num_experts = num_experts
        self.recompute = recompute
        self.memory = ReusedMemory()
        self.shard = Workers().shard(num_experts) if shard is None else shard
        self.w_in = nn.Parameter(torch.empty(self.shard.size, dim, hidden, dtype=precision))
        self.deeper = [f"w_hidden_{layer}" for layer in range(1, depth)]
        for name in self.deeper:
            matrix = torch.empty(self.shard.size, hidden, hidden, dtype=precision)
            self.register_parameter(name, nn.Parameter(matrix))
        output_dim = dim if output_dim is None else output_dim
        self.w_out = nn.Parameter(torch.empty(self.shard.size, hidden, output_dim, dtype=precision))
        self.mark_parameters()
        self.reset_parameters()

    def weights(self) -> list[nn.Parameter]:
        """The matrices in the order of their use: [experts here, in, out] each."""
        return [self.w_in, *(self.get_parameter(name) for name in self.deeper), self.w_out]

    def mark_parameters(self) -> None:
        """Marks the weights as those of experts, and of which."""
        for weight in self.weights():
            weight.expert = self.shard  # type: ignore[attr-defined]

    def __setstate__(self, state: dict[str, Any]) -> None:
        super().__setstate__(state)
        self.mark_parameters()  # copy.deepcopy copies parameters without their attributes

    def reset_parameters(self) -> None:
        """Draws each expert from a generator of its own, seeded by its index.

        So an expert starts the same however many of its neighbours live on this worker.
        """
        if self.w_in.is_meta:
            return
        seed = int(torch.randint(2**31, ()).item())
        for expert, index in enumerate(range(self.num_experts)[self.shard.here]):
            generator = torch.Generator(self.w_in.device).manual_seed(seed + index)
            for weight in self.weights():
                bound = math.sqrt(6 / sum(weight.shape[1:]))  # Glorot and Bengio 2010
                nn.init.uniform_(weight[expert], -bound, bound, generator=generator)

    def _load_from_state_dict(self, state_dict: dict[str, Tensor], prefix: str, *args: Any) -> None:
        """Takes this worker's experts from the weights of all."""
        for name, _ in self.named_parameters():
            whole = state_dict.get(prefix + name)
            if whole is not None and whole.size(0) == self.num_experts:
                state_dict[prefix + name] = whole[self.shard.here]
        super()._load_from_state_dict(state_dict, prefix, *args)

    def forward(self, x: Tensor, tokens_per_expert: Tensor) -> Tensor:
        """Applies each expert on this worker to its rows.

        Args:
            x: [rows, dim], sorted by expert.
            tokens_per_expert: [experts here] int64, adding up to ``rows``.

        Returns:
            [rows, output_dim] in the precision of autocast where it is on, else of ``x``.
        """
        dtype = x.dtype
        if torch.is_autocast_enabled(x.device.type):
            dtype = torch.get_autocast_dtype(x.device.type)
        x = x.to(dtype)
        receivers = self.receivers()
        if not self.is_grouped(x, receivers):
            return feed_forward(
                x, self.w_in, self.w_out, tokens_per_expert, self.recompute, self.memory, receivers
            )
        if self.recompute and torch.is_grad_enabled():
            # Nothing random to repeat: the generator, which threads share, is left alone.
            return checkpoint(
                self.grouped, x, tokens_per_expert, use_reentrant=False, preserve_rng_state=False
            )
        return self.grouped(x, tokens_per_expert)

    def is_grouped(self, x: Tensor, receivers: list[Receiver | None]) -> bool:
        """Whether torch's grouped products serve better; experts of several layers know no other.

        Args:
            x: [rows, dim] in the precision of the products.
            receivers: of the weights' gradients, which grouped products do not hand over.
        """
        if self.deeper:
            return True
        if x.device.type == "cpu":  # with few rows, and without copies of weights
            is_inference = not self.training and not torch.is_grad_enabled()
            return is_inference and x.dtype == self.w_in.dtype
        return has_kernel(x, self.shard.size) and not any(receivers)

    def receivers(self) -> list[Receiver | None]:
        """Who takes the gradients of w_in and w_out a few experts at a time.

        Replicas' gradients are added up first, those of whole matrices: nobody.
        """
        if self.shard.workers.replicas > 1:
            return [None, None]
        return [getattr(weight, "receiver", None) for weight in (self.w_in, self.w_out)]

    def grouped(self, x: Tensor, tokens_per_expert: Tensor) -> Tensor:
        """The same in grouped products."""
        *inner, last = (weight.to(x.dtype) for weight in self.weights())
        for weight in inner:
            x = F.relu(grouped_mm(x, weight, tokens_per_expert))
        return grouped_mm(x, last, tokens_per_expert)

    @override
    def extra_repr(self) -> str:
        _, dim, hidden = self.w_in.shape
        depth = len(self.deeper) + 1
        return f"experts={self.num_experts}, dim={dim}, hidden={hidden}, depth={depth}"
