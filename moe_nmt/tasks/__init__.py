"""The translation task."""

from moe_nmt.tasks.expert_parallel_translation import ExpertParallelTranslationTask

__all__ = ["ExpertParallelTranslationTask"]
