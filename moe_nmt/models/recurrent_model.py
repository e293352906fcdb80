"""What both models have in common besides their modules: counting words, casting weights."""

from __future__ import annotations

from typing import Any

import torch
from fairseq.models import BaseFairseqModel
from torch import nn

from moe_nmt.moe.gate import Gate


class RecurrentModel(BaseFairseqModel):
    """A fairseq model of this package."""

    def count_words(self, net_input: dict[str, Any]) -> dict[str, Any]:
        """A batch with the numbers of its words, so that no device has to be asked for them.

        Args:
            net_input: the arguments of ``forward``, still in the host's memory.
        """
        return net_input

    def prepare_for_inference_(self, cfg: Any) -> None:
        """Gets ready to translate or to score, in the precision of the task."""
        super().prepare_for_inference_(cfg)
        if str(getattr(cfg.task, "precision", "fp32")) == "bf16":
            self.to_bfloat16()

    def to_bfloat16(self) -> None:
        """Casts all weights to bfloat16 for good, but those of gates: they compute in float32."""
        gates = {
            p for module in self.modules() if isinstance(module, Gate) for p in module.parameters()
        }
        for parameter in self.parameters():
            if parameter not in gates:
                parameter.data = parameter.data.to(torch.bfloat16)
        for module in self.modules():
            if isinstance(module, nn.LSTM):
                module.flatten_parameters()
