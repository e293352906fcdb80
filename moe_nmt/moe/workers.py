"""What a mixture of experts knows of the workers that train it, and the case of a single one.

``moe_nmt.distributed`` is the case of many.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from itertools import pairwise

from torch import Tensor


@dataclass(frozen=True)
class Shard:
    """Which of a mixture's experts live on which worker; the mark of their parameters.

    The worker at place p of those that share the experts has the experts from ``bounds[p]`` up to
    ``bounds[p + 1]``.  The weights of the experts here have this as their attribute ``expert``.
    """

    bounds: tuple[int, ...]
    place: int  # this worker's
    workers: Workers

    @property
    def total(self) -> int:
        """The number of experts on all workers."""
        return self.bounds[-1]

    @property
    def here(self) -> slice:
        """The experts on this worker."""
        return slice(self.bounds[self.place], self.bounds[self.place + 1])

    @property
    def sizes(self) -> list[int]:
        """The number of experts on each worker."""
        return [stop - start for start, stop in pairwise(self.bounds)]

    @property
    def size(self) -> int:
        """The number of experts on this worker."""
        return self.sizes[self.place]


def shard_of(parameter: Tensor) -> Shard | None:
    """Which experts' weights a parameter holds; None where it is not one of experts."""
    shard = getattr(parameter, "expert", None)
    return shard if isinstance(shard, Shard) else None  # others mark parameters too, with True, say


class Workers:
    """All workers of a training; this base is the case of one.

    Every method but ``shard`` is collective: all workers call the same ones in the same order,
    also a worker whose batch is empty.
    """

    world = 1  # how many they are
    replicas = 1  # workers that have the same experts, each
    bytes_sent = 0  # by ``apply`` and its gradient, since whoever reads it set it to 0

    def shard(self, experts: int, indivisible: int = 1) -> Shard:
        """Which of ``experts`` experts live here; ``indivisible`` neighbours stay together.

        Raises:
            ValueError: there are fewer experts than workers to divide them among.
        """
        return Shard((0, experts), 0, self)

    def apply(
        self,
        experts: Callable[[Tensor, Tensor], Tensor],
        shard: Shard,
        x: Tensor,
        tokens_per_expert: Tensor,
    ) -> Tensor:
        """Sends rows where their experts live, and the experts' outputs back.

        Args:
            experts: those of this worker: rows [rows, dim] sorted by expert and their numbers
                [experts here] -> [rows, output_dim].
            shard: where the experts live.
            x: [rows, dim], sorted by expert.
            tokens_per_expert: [experts] int64, adding up to ``rows``.

        Returns:
            [rows, output_dim], in the order of ``x``; differentiable.
        """
        return experts(x, tokens_per_expert)

    def sum(self, *values: Tensor) -> tuple[Tensor, ...]:
        """Adds up tensors of one type over all workers, shape by shape.

        Differentiable: what all workers minimise is the sum of their losses.
        """
        return values

    def gather(self, x: Tensor) -> Tensor:
        """[rows here, ...] -> [rows of all workers, ...], worker by worker; not differentiable."""
        return x

    def by_column(self, function: Callable[[Tensor], Tensor], x: Tensor) -> Tensor:
        """Applies a function of whole columns to the columns of all workers' rows together.

        Args:
            function: [rows of all workers, any number of columns] -> the same shape.
            x: [rows here, columns].

        Returns:
            [rows here, columns], this worker's part of the result; not differentiable.
        """
        return function(x)

    def sum_of_shards(self, x: Tensor) -> Tensor:
        """Adds up values of each worker's own experts, over all experts; not differentiable."""
        return x

    def average_replicas(self, gradients: list[Tensor]) -> None:
        """Makes gradients of this worker's experts, in place, a mean over all workers' losses."""

    def average(self, gradients: list[Tensor]) -> None:
        """Averages gradients of what every worker holds, in place."""

    def whole(self, x: Tensor, shard: Shard, everywhere: bool = False) -> Tensor | None:
        """Joins the shards of a tensor: [experts here, ...] -> [experts, ...].

        Returns:
            The whole on the first worker, in host memory, and None elsewhere; with ``everywhere``
            the whole on every worker, on the device of ``x``.
        """
        return x.detach()
