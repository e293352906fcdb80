"""Expert parallelism (section 3.1): data parallel gates, and each expert on one worker only.

``moe_nmt.moe.workers`` is what a mixture of experts knows of its workers, and the case of a single
one; ``expert_parallel.py`` is the case of many.  ``gradients.py`` and ``state.py`` serve the
training loop: averaging and norms of gradients, whole states and parts of them for checkpoints.
"""

from moe_nmt.distributed.collectives import is_one_of_many
from moe_nmt.distributed.expert_parallel import ExpertParallel, largest_size
from moe_nmt.distributed.gradients import average_expert_gradients, average_gradients, total_norm
from moe_nmt.distributed.state import (
    OptimizerState,
    Part,
    expert_parameters,
    parts_of_parameters,
    whole_parameters,
    whole_shapes,
)
from moe_nmt.moe.workers import Shard, Workers, shard_of

__all__ = [
    "ExpertParallel",
    "OptimizerState",
    "Part",
    "Shard",
    "Workers",
    "average_expert_gradients",
    "average_gradients",
    "expert_parameters",
    "is_one_of_many",
    "largest_size",
    "parts_of_parameters",
    "shard_of",
    "total_norm",
    "whole_parameters",
    "whole_shapes",
]
