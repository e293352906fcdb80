"""Named variants of the models, for --arch: plain data.

Each is the paper's model (the defaults of its dataclass in ``config.py``) but for the values listed
here.
``configs/NAME.yaml`` has the same values for fairseq-hydra-train.
"""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import Any

TRANSLATION_MODELS: Mapping[str, Mapping[str, Any]] = MappingProxyType(
    {
        # The models of section 5.3, WMT'14 single pairs: 85M operations per time step.
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

# A hierarchical mixture of the language models: App. C's 16 groups; Table 8's where they are more.
LANGUAGE_MODELS: Mapping[str, Mapping[str, Any]] = MappingProxyType(
    {
        # Tables 7 and 8: 8.4 to 9.7 million operations per time step.
        "lstm_moe_lm_4": {"experts": 4},
        "lstm_moe_lm_32": {"experts": 32},
        "lstm_moe_lm_256": {"experts": 256},
        "lstm_moe_lm_256h": {"experts": 256, "expert_groups": 16, "k": 2},
        "lstm_moe_lm_1024h": {"experts": 1024, "expert_groups": 16, "k": 2},
        "lstm_moe_lm_4096h": {"experts": 4096, "expert_groups": 16, "k": 2},
        "lstm_moe_lm_16384h": {"experts": 16384, "expert_groups": 128, "k": 2},
        "lstm_moe_lm_65536h": {"experts": 65536, "expert_groups": 256, "k": 2},
        "lstm_moe_lm_131072h": {"experts": 131072, "expert_groups": 256, "k": 2},
        # More operations, Table 7.
        "lstm_moe_lm_34m": {
            "model_dim": 1024,
            "lstm_cells": 1024,
            "experts": 1024,
            "expert_groups": 16,
            "k": 2,
            "expert_hidden": 2048,
        },
        "lstm_moe_lm_143m": {
            "model_dim": 1024,
            "lstm_cells": 4096,
            "experts": 256,
            "expert_groups": 16,
            "k": 2,
            "expert_hidden": 8192,
        },
        # Baselines: the MoE layer is one expert of as many operations, or LSTMs are in its place.
        "lstm_lm_1wide": {"experts": 1, "k": 1, "expert_hidden": 4096},
        "lstm_lm_1deep": {"experts": 1, "k": 1, "expert_depth": 4},
        "lstm_lm_4x512": {"lstm_layers": 4, "moe_after": ""},
        "lstm_lm_2048_512": {"lstm_layers": 1, "lstm_cells": 2048, "moe_after": ""},
        "lstm_lm_1024_512": {"lstm_layers": 1, "lstm_cells": 1024, "moe_after": ""},
        "lstm_lm_512_512": {"lstm_layers": 1, "moe_after": ""},
        # The embedded corpus: trained in minutes.
        "lstm_moe_lm_tiny": {
            "model_dim": 128,
            "lstm_cells": 128,
            "experts": 8,
            "k": 2,
            "expert_hidden": 128,
        },
    }
)

ARCHITECTURES = MappingProxyType({**TRANSLATION_MODELS, **LANGUAGE_MODELS})
