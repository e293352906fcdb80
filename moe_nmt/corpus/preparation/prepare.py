"""From published archives, or a user's own text, to binarised data: the stages in their order.

    archives -> raw/ -> clean/ -> text/ -> (tokens/ ->) (pieces/ ->) binarised/

Every arrow is a stage of ``stages.py``: done once, done again when what it depends on changed.
Both sides are counted after every stage.
"""

from __future__ import annotations

from moe_nmt.corpus.preparation.checks import (
    check_languages,
    check_request,
    check_vocabulary,
    odd_names,
)
from moe_nmt.corpus.preparation.next_steps import next_steps
from moe_nmt.corpus.preparation.preparation import Preparation, Settings
from moe_nmt.corpus.preparation.report import reported, write_manifest
from moe_nmt.corpus.preparation.result import NAME as RESULT
from moe_nmt.corpus.preparation.result import write_result
from moe_nmt.corpus.preparation.subword_stages import (
    binarised_stage,
    dictionary_stage,
    pieces_stage,
    subwords_stage,
)
from moe_nmt.corpus.preparation.text_stages import (
    clean_stage,
    held_out_stage,
    merge_stage,
    raw_stage,
    tokens_stage,
)
from moe_nmt.files.stages import Stages


def prepare(settings: Settings) -> None:
    """Does all that is not done yet."""
    check_request(settings)
    with Stages(settings.folder) as stages:
        work = Preparation(settings, stages)
        check_languages(work)
        with reported(work):
            run(work)
        print(f"\n{next_steps(work)}", flush=True)


def run(work: Preparation) -> None:
    """All stages."""
    settings = work.settings
    work.warn(odd_names(settings))
    (work.folder / RESULT).unlink(missing_ok=True)
    for split, texts in settings.held_out.items():
        held_out_stage(work, split, [raw_stage(work, text) for text in texts])
    check_vocabulary(work)
    for text in settings.train:
        clean_stage(work, text.name, raw_stage(work, text))
    merge_stage(work)
    splits = ["train", *settings.held_out]
    if work.moses:
        for split in splits:
            tokens_stage(work, split)
    if work.has_subwords:
        subwords_stage(work)
        for split in splits:
            pieces_stage(work, split)
    dictionary_stage(work)
    for split in splits:
        binarised_stage(work, split)
    write_manifest(work.folder / "manifest.json", work.stages, work.facts)
    write_result(work)
