"""The stages from clean text to fairseq's binarised data."""

from __future__ import annotations

from moe_nmt.corpus.preparation.binarise import binarise
from moe_nmt.corpus.preparation.dictionary import build_dictionary
from moe_nmt.corpus.preparation.preparation import (
    BINARISED,
    LOST,
    SUBWORD_TOOLS,
    Preparation,
    tools,
)
from moe_nmt.corpus.subwords.subword import apply_to_file, learn
from moe_nmt.files.stages import Facts
from moe_nmt.files.text import (
    check_same_count,
    count_lines,
    read_text,
    stop_unless_same,
    write_lines,
)


def subwords_stage(work: Preparation) -> None:
    """Learns the subwords."""
    settings = work.settings
    texts, model = work.two(f"{work.words}/train.{{}}"), work.folder / "subword.model"
    recipe = {
        "method": settings.method,
        "vocabulary": settings.vocabulary,
        "sample": settings.sample,
        "character-coverage": settings.coverage,
        "seed": settings.seed,
        **tools(SUBWORD_TOOLS[settings.method]),
    }

    def action() -> None:
        learn(
            texts,
            settings.method,
            settings.vocabulary,
            settings.seed,
            model,
            settings.sample,
            settings.coverage,
        )

    inputs = work.files(*work.pair(f"{work.words}/train.{{}}"))
    work.stage("subwords", recipe, inputs, ["subword.model"], action)


def pieces_stage(work: Preparation, split: str) -> None:
    """Writes a split as subwords."""
    sources, outputs = work.two(f"{work.words}/{split}.{{}}"), work.two(f"pieces/{split}.{{}}")
    inputs = work.files(*work.pair(f"{work.words}/{split}.{{}}"), "subword.model")

    def action() -> Facts:
        for source, output in zip(sources, outputs, strict=True):
            model = work.folder / "subword.model"
            apply_to_file(source, output, model, workers=work.settings.workers)
        return {"lines": check_same_count([*sources, *outputs], LOST)}

    recipe = tools(SUBWORD_TOOLS[work.settings.method])
    names = work.pair(f"pieces/{split}.{{}}")
    work.stage(f"pieces.{split}", recipe, inputs, names, action)


def dictionary_stage(work: Preparation) -> None:
    """Writes the dictionary that both languages share."""
    names, outputs = work.pair("binarised/dict.{}.txt"), work.two("binarised/dict.{}.txt")
    settings = work.settings

    def action() -> Facts:
        texts = work.two("pieces/train.{}")
        size = build_dictionary(texts, settings.vocabulary, outputs[0], settings.workers)
        write_lines(outputs[1], read_text(outputs[0]))
        return {"subwords": size}

    recipe = {"vocabulary": settings.vocabulary, **tools()}
    inputs = work.files(*work.pair("pieces/train.{}"))
    work.stage("dictionary", recipe, inputs, names, action)


def binarised_stage(work: Preparation, split: str) -> None:
    """Writes a split in fairseq's format."""
    prefixes = work.pair(f"binarised/{split}.{'-'.join(work.settings.languages)}.{{}}")
    texts = work.two(f"pieces/{split}.{{}}")
    dictionary = work.folder / work.pair("binarised/dict.{}.txt")[0]

    def action() -> Facts:
        facts = {
            language: binarise(text, dictionary, work.folder / prefix, work.settings.workers)
            for language, text, prefix in zip(work.settings.languages, texts, prefixes, strict=True)
        }
        counts = [fact["sentences"] for fact in facts.values()]
        stop_unless_same([*texts, *texts], [*map(count_lines, texts), *counts], LOST)
        return facts

    inputs = work.files(*work.pair(f"pieces/{split}.{{}}"), work.pair("binarised/dict.{}.txt")[0])
    names = [f"{prefix}.{kind}" for prefix in prefixes for kind in ("bin", "idx")]
    work.stage(f"{BINARISED}{split}", tools(), inputs, names, action)
