"""LSTM layers: projected, and bidirectional over padded sentences.

All sequences are time-major, [time, batch, features], and padded at the end, so that a forward
LSTM meets a sentence's padding only after its last token.
"""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor, nn


class LSTMState(NamedTuple):
    """The recurrent state of one LSTM layer."""

    hidden: Tensor  # [1, batch, dim]
    cell: Tensor  # [1, batch, cells]

    def index_select(self, order: Tensor) -> LSTMState:
        """Reorders or repeats sentences: order [new batch] int64."""
        return LSTMState(*(tensor.index_select(1, order) for tensor in self))


def lstm(input_dim: int, cells: int, dim: int) -> nn.LSTM:
    """One fused LSTM layer of ``cells`` cells, projected to ``dim`` where these differ.

    The projection is also what recurs (section 5.3, App. E).  Weights are drawn uniformly from
    +-1/sqrt(cells), the forget gate's bias starts at 1.
    """
    if cells < dim:
        raise ValueError(f"an LSTM cannot project its {cells} cells up to {dim}")
    layer = nn.LSTM(input_dim, cells, proj_size=dim if cells > dim else 0)
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
