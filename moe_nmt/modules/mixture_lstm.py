"""An LSTM layer whose weight matrices are a mixture of experts (suggested in section 3.1).

The four gates' matrix product W [x_t, h_{t-1}] is replaced by a mixture MoE([x_t, h_{t-1}]).  What
a step chooses depends on the step before: the convolutional trick is lost, each step's batch is but
one token of each sentence, and the layer is as slow as that.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn

from moe_nmt.modules.lstm import LSTMState, lstm_update
from moe_nmt.moe.layer import MixtureOfExperts
from moe_nmt.moe.routing import Routing


class MixtureLSTM(nn.Module):
    """LSTM steps whose four gates are a mixture's outputs and a bias.

    Args:
        name: of the mixture, for logs and tables.
        mixture: of vectors [x, h], [input_dim + dim], to [4 * cells]: input gate, forget gate,
            candidate and output gate, as of ``nn.LSTM``.
        dim: size of the output, which is also what recurs.

    Raises:
        ValueError: an output larger than the number of cells.
    """

    def __init__(self, name: str, mixture: MixtureOfExperts, dim: int) -> None:
        super().__init__()
        self.name = name
        self.mixture = mixture
        cells = mixture.experts.w_out.size(2) // 4
        if cells < dim:
            raise ValueError(f"an LSTM cannot project its {cells} cells up to {dim}")
        self.bias = nn.Parameter(torch.zeros(4 * cells))
        self.projection: nn.Parameter | None = None
        with torch.no_grad():
            self.bias[cells : 2 * cells] = 1.0  # of the forget gate
            if cells > dim:
                self.projection = nn.Parameter(torch.empty(dim, cells))
                nn.init.uniform_(self.projection, -(cells**-0.5), cells**-0.5)

    def forward(
        self, x: Tensor, is_token: Tensor, state: LSTMState | None = None
    ) -> tuple[Tensor, LSTMState, Routing]:
        """Runs over whole sequences or their next steps.

        Args:
            x: [time, batch, input_dim], padded at the end.
            is_token: [time, batch] bool; padding is sent to no expert.
            state: after the step before x; None at the beginning.

        Returns:
            [time, batch, dim], the last step's state, and the routing of all tokens, numbered as
            among those of the flattened [time * batch].
        """
        projections = [] if self.projection is None else [self.projection]
        cells = self.bias.numel() // 4
        dim = cells if self.projection is None else self.projection.size(0)
        hidden = x.new_zeros(x.size(1), dim) if state is None else state.hidden[0]
        cell = x.new_zeros(x.size(1), cells) if state is None else state.cell[0]
        outputs: list[Tensor] = []
        routings: list[Routing] = []
        for x_t, here in zip(x, (row.nonzero().squeeze(1) for row in is_token), strict=True):
            tokens = torch.cat([x_t, hidden], dim=-1).index_select(0, here)
            mixed, routing = self.mixture(tokens)  # [tokens, 4 * cells]
            gates = self.bias.to(mixed.dtype).repeat(x.size(1), 1).index_add(0, here, mixed)
            hidden, cell = lstm_update(gates.to(x.dtype), cell, projections)
            outputs.append(hidden)
            routings.append(routing)
        routing = of_all_steps(routings, is_token.sum(1).tolist())
        return torch.stack(outputs), LSTMState(hidden[None], cell[None]), routing


def of_all_steps(routings: Sequence[Routing], counts: Sequence[int]) -> Routing:
    """One routing of all steps' tokens; ``counts``: the number of each step's."""
    before = torch.tensor([0, *counts[:-1]]).cumsum(0).tolist()
    token = [step.token + start for step, start in zip(routings, before, strict=True)]
    losses = [step.auxiliary_loss * count for step, count in zip(routings, counts, strict=True)]
    return Routing(
        torch.cat(token),
        torch.cat([step.expert for step in routings]),
        torch.cat([step.gate for step in routings]),
        torch.stack([step.importance for step in routings]).sum(0),
        torch.stack([step.load for step in routings]).sum(0),
        torch.stack(losses).sum() / max(1, sum(counts)),
    )
