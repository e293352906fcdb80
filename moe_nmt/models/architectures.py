"""Named variants of the translation model, for --arch: plain data.

Each is the paper's model (the defaults of ``GNMTMoEConfig``) but for the values listed here.
``configs/NAME.yaml`` has the same values for fairseq-hydra-train.
"""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import Any

ARCHITECTURES: Mapping[str, Mapping[str, Any]] = MappingProxyType(
    {
        # Table 7's models, WMT'14 single pairs: 85M operations per time step.
        "gnmt_moe_32": {"experts": 32, "k": 4},
        "gnmt_moe_512h": {"experts": 512, "expert_groups": 16, "k": 2},
        "gnmt_moe_2048h": {"experts": 2048, "expert_groups": 32, "k": 2},
        # The baseline without mixtures of experts.
        "gnmt_dense": {"encoder_moe_after": "", "decoder_moe_after": ""},
        # Small data: 29,000 sentences of Multi30k on a CPU.
        "gnmt_moe_multi30k": {
            "model_dim": 256,
            "lstm_cells": 256,
            "attention_dim": 256,
            "attention_feed": "output",
            "encoder_bidirectional": True,
            "experts": 16,
            "k": 2,
            "expert_hidden": 512,
            "dropout": 0.3,
            "share_all_embeddings": True,
        },
        # The embedded corpus: trained in minutes.
        "gnmt_moe_tiny": {
            "model_dim": 128,
            "lstm_cells": 128,
            "encoder_layers": 2,
            "encoder_moe_after": "1",
            "attention_dim": 128,
            "attention_feed": "output",
            "encoder_bidirectional": True,
            "experts": 8,
            "k": 2,
            "expert_hidden": 256,
            "gate": "noisy-top-k",
            "dropout": 0.1,
            "share_all_embeddings": True,
        },
    }
)
