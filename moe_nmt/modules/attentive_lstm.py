"""The decoder's first layer: an LSTM and the attention it drives (section 5.3, App. E)."""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from moe_nmt.modules.attention import Attention, Memory
from moe_nmt.modules.dropout import Dropout
from moe_nmt.modules.lstm import LSTMState, lstm, lstm_update


class AttentiveState(NamedTuple):
    """What the layer carries from one step to the next."""

    lstm: LSTMState
    context: Tensor  # [1, batch, dim], the context of the last step

    def index_select(self, order: Tensor) -> AttentiveState:
        """Reorders or repeats sentences: order [new batch] int64."""
        return AttentiveState(self.lstm.index_select(order), self.context.index_select(1, order))


class AttentiveOutput(NamedTuple):
    """The layer's result."""

    x: Tensor  # [time, batch, dim]
    attention: Tensor  # [batch, time, source]
    state: AttentiveState


class OutputFedLSTM(nn.Module):
    """The context joins the LSTM's output of the same step: y = h + drop(context Wc).

    Whole sequences run through the fused LSTM and one attention.
    """

    def __init__(self, dim: int, cells: int, attention: Attention, dropout: float) -> None:
        super().__init__()
        self.lstm = lstm(dim, cells, dim)
        self.attention = attention
        self.context_projection = nn.Linear(dim, dim, bias=False)
        self.dropout = Dropout(dropout)

    def forward(self, x: Tensor, memory: Memory, state: AttentiveState | None) -> AttentiveOutput:
        """x: [time, batch, dim]; memory of the same batch; state of the step before x."""
        hidden, lstm_state = self.lstm(x, None if state is None else tuple(state.lstm))
        x = x + self.dropout(hidden)
        context, weights = self.attention(x.transpose(0, 1), memory)
        context = context.transpose(0, 1)  # [time, batch, dim]
        x = x + self.dropout(self.context_projection(context))
        return AttentiveOutput(x, weights, AttentiveState(LSTMState(*lstm_state), context[-1:]))


class InputFedLSTM(nn.Module):
    """The paper's: the context computed from step t - 1 is part of the LSTM's input at step t.

    The recurrence runs through the attention, so training goes step by step too.
    """

    def __init__(self, dim: int, cells: int, attention: Attention, dropout: float) -> None:
        super().__init__()
        self.dim = dim
        self.lstm = lstm(2 * dim, cells, dim)
        self.attention = attention
        self.dropout = Dropout(dropout)

    def forward(self, x: Tensor, memory: Memory, state: AttentiveState | None) -> AttentiveOutput:
        """x: [time, batch, dim]; memory of the same batch; state of the step before x."""
        if state is None:
            state = self.initial_state(x)
        if x.size(0) == 1:
            return self.step(x, memory, state)
        (hidden, cell), context = state
        hidden, cell, context = hidden[0], cell[0], context[0]  # [batch, ...]
        weight_ih, weight_hh, bias_ih, bias_hh, *_ = self.lstm.all_weights[0]
        weight_x, weight_context = weight_ih.split(self.dim, dim=1)
        # All that does not wait for the step before is one matrix product.
        from_x = F.linear(x, weight_x, bias_ih)  # [time, batch, 4 * cells]
        recurrent = torch.cat([weight_context, weight_hh], dim=1)
        outputs, attention = [], []
        for step_from_x in from_x.unbind(0):
            recurring = torch.cat([context, hidden], dim=-1)
            gates = step_from_x + F.linear(recurring, recurrent, bias_hh)
            hidden, cell = lstm_update(gates, cell, self.lstm.projections)
            step_context, weights = self.attention(hidden[:, None], memory)
            context = step_context[:, 0]
            outputs.append(hidden)
            attention.append(weights)
        x = x + self.dropout(torch.stack(outputs))
        state = AttentiveState(LSTMState(hidden[None], cell[None]), context[None])
        return AttentiveOutput(x, torch.cat(attention, dim=1), state)

    def step(self, x: Tensor, memory: Memory, state: AttentiveState) -> AttentiveOutput:
        """One step, x [1, batch, dim], without copies of weights."""
        hidden, lstm_state = self.lstm(torch.cat([x, state.context], dim=-1), tuple(state.lstm))
        context, weights = self.attention(hidden.transpose(0, 1), memory)
        new_state = AttentiveState(LSTMState(*lstm_state), context.transpose(0, 1))
        return AttentiveOutput(x + self.dropout(hidden), weights, new_state)

    def initial_state(self, x: Tensor) -> AttentiveState:
        """The state before the first step of x [time, batch, dim]: zeros."""
        hidden = x.new_zeros(1, x.size(1), self.dim)
        cell = x.new_zeros(1, x.size(1), self.lstm.hidden_size)
        return AttentiveState(LSTMState(hidden, cell), hidden)


AttentiveLSTM = OutputFedLSTM | InputFedLSTM

FEEDS: dict[str, type[OutputFedLSTM] | type[InputFedLSTM]] = {
    "output": OutputFedLSTM,
    "input": InputFedLSTM,
}
