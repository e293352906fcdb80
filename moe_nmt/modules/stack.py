"""A stack of residual LSTM layers with mixtures of experts between them (section 5.3)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import NamedTuple

import torch
from torch import Tensor, nn

from moe_nmt.modules.dropout import Dropout
from moe_nmt.modules.lstm import BidirectionalLSTM, LSTMState
from moe_nmt.modules.mixture_lstm import MixtureLSTM
from moe_nmt.moe.layer import MixtureOfExperts
from moe_nmt.moe.routing import Routing, where_true


class StackOutput(NamedTuple):
    """What a stack computes."""

    x: Tensor  # [time, batch, dim]
    states: list[LSTMState]  # of each LSTM layer, in order
    routings: dict[str, Routing]  # of each mixture, by its name


class NamedMixture(NamedTuple):
    """A mixture and what logs and tables call it."""

    name: str
    mixture: MixtureOfExperts


class ResidualMixture(nn.Module):
    """x + drop(sigmoid(MoE(x))) on every token that is not padding, all positions at once."""

    def __init__(self, name: str, mixture: MixtureOfExperts, dropout: float) -> None:
        super().__init__()
        self.name = name
        self.mixture = mixture
        self.dropout = Dropout(dropout)

    def forward(self, x: Tensor, index: Tensor) -> tuple[Tensor, Routing]:
        """Adds the mixture's output.

        Args:
            x: [time, batch, dim].
            index: [tokens] int64, of the tokens in the flattened [time * batch].

        Returns:
            [time, batch, dim], and the routing of the tokens.
        """
        tokens = x.flatten(0, 1).index_select(0, index)  # [tokens, dim]
        mixed, routing = self.mixture(tokens)
        update = self.dropout(torch.sigmoid(mixed)).to(x.dtype)
        y = x.flatten(0, 1).index_add(0, index, update)
        return y.view_as(x), routing


class RecurrentStack(nn.Module):
    """LSTM layers, each with a residual connection round it, and mixtures at chosen positions.

    Args:
        layers: LSTM layers of equal input and output size; only the first may be bidirectional.
        mixtures: by position; position p comes after p LSTM layers, 0 before the first.
        dropout: on the output of every LSTM and mixture.
    """

    def __init__(
        self,
        layers: Sequence[nn.LSTM | BidirectionalLSTM | MixtureLSTM],
        mixtures: Mapping[int, NamedMixture],
        dropout: float,
    ) -> None:
        super().__init__()
        for position in mixtures:
            if not 0 <= position <= len(layers):
                raise ValueError(
                    f"a stack of {len(layers)} layers has no position {position} for a mixture"
                )
        self.layers = nn.ModuleList(layers)
        self.mixtures = nn.ModuleDict(
            {
                str(position): ResidualMixture(*named, dropout)
                for position, named in mixtures.items()
            }
        )
        self.dropout = Dropout(dropout)

    def forward(
        self,
        x: Tensor,
        is_token: Tensor,
        states: Sequence[LSTMState] | None = None,
        count: int | None = None,
    ) -> StackOutput:
        """Runs the stack over whole sequences or the next steps of them.

        Args:
            x: [time, batch, dim], padded at the end.
            is_token: [time, batch] bool, False on padding.
            states: the states after the step before x; None at the beginning.
            count: how many tokens there are; None: the device is asked, and waited for.
        """
        if is_token.shape != x.shape[:2]:
            raise ValueError(
                f"is_token {list(is_token.shape)} must be [time, batch] as of x {list(x.shape)}"
            )
        new_states: list[LSTMState] = []
        routings: dict[str, Routing] = {}
        index = where_true(is_token, count) if self.mixtures else None
        for position in range(len(self.layers) + 1):
            if str(position) in self.mixtures:
                mixture = self.mixtures[str(position)]
                x, routings[str(mixture.name)] = mixture(x, index)
            if position == len(self.layers):
                break
            layer = self.layers[position]
            if isinstance(layer, BidirectionalLSTM):
                y = layer(x, is_token.sum(0))
            elif isinstance(layer, MixtureLSTM):
                before = None if states is None else states[position]
                y, after, routings[layer.name] = layer(x, is_token, before)
                new_states.append(after)
            else:
                y, state = layer(x, None if states is None else tuple(states[position]))
                new_states.append(LSTMState(*state))
            x = x + self.dropout(y)
        return StackOutput(x, new_states, routings)
