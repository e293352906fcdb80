"""The fairseq models and their named architectures."""

from moe_nmt.models.architectures import ARCHITECTURES
from moe_nmt.models.config import GNMTMoEConfig
from moe_nmt.models.gnmt_moe import GNMTMoEModel

__all__ = ["ARCHITECTURES", "GNMTMoEConfig", "GNMTMoEModel"]
