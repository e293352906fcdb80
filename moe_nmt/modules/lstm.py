"""LSTM layers: projected, and bidirectional over padded sentences.

All sequences are time-major, [time, batch, features], and padded at the end, so that a forward
LSTM meets a sentence's padding only after its last token.
"""

from __future__ import annotations

import copy
from collections.abc import Callable, Iterable, Sequence
from typing import NamedTuple, TypeVar

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from moe_nmt.modules.repeated_product import repeated_product

Module = TypeVar("Module", bound=nn.Module)


class LSTMState(NamedTuple):
    """The recurrent state of one LSTM layer."""

    hidden: Tensor  # [1, batch, dim]
    cell: Tensor  # [1, batch, cells]

    def index_select(self, order: Tensor) -> LSTMState:
        """Reorders or repeats sentences: order [new batch] int64."""
        return LSTMState(*(tensor.index_select(1, order) for tensor in self))


class LSTM(nn.LSTM):
    """nn.LSTM of one layer, with a step of its own on a CPU.

    There the fused kernel packs its weights anew on every call, which can cost more than the step.
    """

    step_product: Callable[[Tensor], Tensor] | None = None  # by ``with_constant_weights``

    def forward(  # type: ignore[override]
        self, x: Tensor, state: tuple[Tensor, Tensor] | None = None
    ) -> tuple[Tensor, tuple[Tensor, Tensor]]:
        """x: [time, batch, input_dim]; state: hidden [1, batch, dim], cell [1, batch, cells]."""
        device = x.device.type
        if device != "cpu" and torch.is_autocast_enabled(device):
            return self.in_precision(x, state, torch.get_autocast_dtype(device))
        if x.size(0) > 1 or state is None or device != "cpu":
            return super().forward(x, state)
        hidden, cell = state
        gates = self.gates(x[0], hidden[0])
        new_hidden, new_cell = lstm_update(gates, cell[0], self.projections)
        return new_hidden[None], (new_hidden[None], new_cell[None])

    def in_precision(
        self, x: Tensor, state: tuple[Tensor, Tensor] | None, dtype: torch.dtype
    ) -> tuple[Tensor, tuple[Tensor, Tensor]]:
        """``forward`` in half precision; on a GPU autocast would always take float16."""
        cast = side_by_side(self.all_weights[0], dtype)
        if state is None:
            hidden = x.new_zeros(1, x.size(1), self.proj_size or self.hidden_size)
            state = hidden, x.new_zeros(1, x.size(1), self.hidden_size)
        state = state[0].to(dtype), state[1].to(dtype)
        with torch.autocast(x.device.type, enabled=False):
            # with biases, one layer, no dropout, one direction, time first
            y, hidden, cell = torch._VF.lstm(
                x.to(dtype), state, cast, True, 1, 0.0, self.training, False, False
            )
        return y, (hidden, cell)

    def flatten_parameters(self) -> None:
        """Lays the weights side by side on a GPU, else cuDNN does it at every step.

        torch leaves out those in bfloat16.
        """
        super().flatten_parameters()
        weights = [weight for weight in self._flat_weights if weight is not None]
        if weights[0].is_cuda and weights[0].dtype == torch.bfloat16:
            for weight, part in zip(weights, side_by_side(weights, torch.bfloat16), strict=True):
                weight.data = part.detach()

    def gates(self, x: Tensor, hidden: Tensor) -> Tensor:
        """A step's matrix products: [batch, input_dim], [batch, dim] -> [batch, 4 * cells]."""
        if self.step_product is not None:
            return self.step_product(torch.cat([x, hidden], dim=-1))
        weight_x, weight_h, bias_x, bias_h, *_ = self.all_weights[0]
        return torch.addmm(F.linear(x, weight_x, bias_x + bias_h), hidden, weight_h.t())

    @property
    def projections(self) -> list[Tensor]:
        """One matrix [dim, cells], or none."""
        return list(self.all_weights[0][4:])


def side_by_side(weights: Sequence[Tensor], dtype: torch.dtype) -> list[Tensor]:
    """The same weights in one buffer, matrices before biases as cuDNN has them; differentiable."""
    order = sorted(range(len(weights)), key=lambda i: weights[i].dim(), reverse=True)
    buffer = torch.cat([weights[i].flatten() for i in order]).to(dtype)
    parts = dict(zip(order, buffer.split([weights[i].numel() for i in order]), strict=True))
    return [parts[i].view_as(weight) for i, weight in enumerate(weights)]


def lstm_update(
    gates: Tensor, cell: Tensor, projections: Iterable[Tensor]
) -> tuple[Tensor, Tensor]:
    """The formulas of an LSTM's step after its matrix products.

    Args:
        gates: [batch, 4 * cells], of input, forget gate, candidate and output.
        cell: [batch, cells].
        projections: of the output: one [dim, cells], or none.

    Returns:
        The new hidden [batch, dim] and cell [batch, cells].
    """
    write, forget, candidate, read = gates.chunk(4, dim=-1)
    cell = torch.sigmoid(forget) * cell + torch.sigmoid(write) * torch.tanh(candidate)
    hidden = torch.sigmoid(read) * torch.tanh(cell)
    for projection in projections:
        hidden = F.linear(hidden, projection)
    return hidden, cell


def with_constant_weights(module: Module) -> Module:
    """A module that computes the same, on a CPU with faster steps of its LSTMs.

    It shares all weights with ``module``, which stays as it is; they must not change while it is
    used.  So threads can share ``module``, each with one of these.
    """
    same = copy.copy(module)
    same._modules = {
        name: None if part is None else with_constant_weights(part)
        for name, part in module._modules.items()
    }
    if isinstance(same, LSTM):
        weight_x, weight_h, bias_x, bias_h, *_ = same.all_weights[0]
        if weight_x.device.type == "cpu":
            both = torch.cat([weight_x, weight_h], dim=1)  # [4 * cells, input_dim + dim]
            same.step_product = repeated_product(both, bias_x + bias_h)
    return same


def lstm(input_dim: int, cells: int, dim: int) -> LSTM:
    """One fused LSTM layer of ``cells`` cells, projected to ``dim`` where these differ.

    The projection is also what recurs (section 5.3, App. E).  Weights are drawn uniformly from
    +-1/sqrt(cells), the forget gate's bias starts at 1.
    """
    if cells < dim:
        raise ValueError(f"an LSTM cannot project its {cells} cells up to {dim}")
    layer = LSTM(input_dim, cells, proj_size=dim if cells > dim else 0)
    with torch.no_grad():
        _, _, bias_x, bias_h, *_ = layer.all_weights[0]
        bias_x.zero_()
        bias_h.zero_()
        bias_x[cells : 2 * cells] = 1.0  # order of gates: input, forget, cell, output
    return layer


class BidirectionalLSTM(nn.Module):
    """Two LSTMs of dim / 2 outputs each, one reading backwards, side by side.

    The backward one reads each sentence reversed within its own length: padding never precedes
    tokens, and both directions run as whole fused sequences.
    """

    def __init__(self, input_dim: int, cells: int, dim: int) -> None:
        super().__init__()
        if dim % 2 or cells % 2:
            raise ValueError(
                f"a bidirectional layer halves its sizes: {cells} cells and {dim} outputs "
                "have to be even"
            )
        self.forward_lstm = lstm(input_dim, cells // 2, dim // 2)
        self.backward_lstm = lstm(input_dim, cells // 2, dim // 2)

    def forward(self, x: Tensor, lengths: Tensor) -> Tensor:
        """[time, batch, input_dim], lengths [batch] -> [time, batch, dim]."""
        ahead, _ = self.forward_lstm(x)
        back, _ = self.backward_lstm(reverse(x, lengths))
        return torch.cat([ahead, reverse(back, lengths)], dim=-1)


def reverse(x: Tensor, lengths: Tensor) -> Tensor:
    """Reverses the first ``lengths`` [batch] steps of each sentence of x [time, batch, features],
    leaving the padding where it is."""
    time = torch.arange(x.size(0), device=x.device)[:, None]  # [time, 1]
    index = torch.where(time < lengths, lengths - 1 - time, time)  # [time, batch]
    return x.gather(0, index[:, :, None].expand_as(x))
