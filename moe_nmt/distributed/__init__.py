"""Expert parallelism (section 3.1): data parallel gates, and each expert on one worker only.

``workers.py`` is what a mixture of experts knows of its workers, and the case of a single one;
``expert_parallel.py`` is the case of many.  ``gradients.py`` and ``state.py`` serve the training
loop: averaging and norms of gradients, whole states for checkpoints.  ``parts.py`` keeps states in
folders to which every worker writes.
"""

from moe_nmt.distributed.expert_parallel import ExpertParallel
from moe_nmt.distributed.gradients import average_expert_gradients, average_gradients, total_norm
from moe_nmt.distributed.state import (
    OptimizerState,
    parts_of_parameters,
    whole_parameters,
    whole_shapes,
)
from moe_nmt.distributed.workers import Part, Shard, Workers

__all__ = [
    "ExpertParallel",
    "OptimizerState",
    "Part",
    "Shard",
    "Workers",
    "average_expert_gradients",
    "average_gradients",
    "parts_of_parameters",
    "total_norm",
    "whole_parameters",
    "whole_shapes",
]
