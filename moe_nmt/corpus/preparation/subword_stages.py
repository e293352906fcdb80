"""The stages from clean text to fairseq's binarised data."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from moe_nmt.corpus.preparation.binarise import binarise
from moe_nmt.corpus.preparation.dictionary import (
    build_dictionary,
    extend_dictionary,
    lines_of,
)
from moe_nmt.corpus.preparation.preparation import (
    BINARISED,
    LOST,
    SUBWORD_TOOLS,
    Preparation,
    tools,
)
from moe_nmt.corpus.subwords.subword import apply_to_file, learn
from moe_nmt.corpus.subwords.vocabulary_size import VocabularyError, default_vocabulary
from moe_nmt.files.stages import Facts
from moe_nmt.files.text import (
    check_same_count,
    count_lines,
    read_text,
    stop_unless_same,
    write_lines,
    written_whole,
)

MANY_UNKNOWN = 0.01  # of the subwords of a text
FEW = 0.9  # of the subwords that were asked for


def subwords_stage(work: Preparation) -> None:
    """Learns the subwords, or takes those of an existing model."""
    if work.settings.reused is not None:
        reused_subwords_stage(work, work.settings.reused.model)
        return
    settings = work.settings
    texts, model = work.paths(f"{work.words}/train.{{}}"), work.folder / "subword.model"
    pairs = sum(work.facts["train"].values())
    size = settings.vocabulary or default_vocabulary(texts, pairs, settings.coverage)
    recipe = {
        "method": settings.method,
        "vocabulary": size,
        "sample": settings.sample,
        "character-coverage": settings.coverage,
        "seed": settings.seed,
        **({"symbols": list(settings.symbols)} if settings.symbols else {}),
        **tools(SUBWORD_TOOLS[settings.method]),
    }

    def learn_so_many(size: int) -> Facts:
        learn(
            texts,
            settings.method,
            size,
            settings.seed,
            model,
            settings.sample,
            settings.coverage,
            settings.symbols,
        )
        return {"vocabulary": size}

    def action() -> Facts:
        try:
            return learn_so_many(size)
        except VocabularyError as error:
            return learn_so_many(error.most)

    inputs = work.files(*work.names(f"{work.words}/train.{{}}"))
    work.stage("subwords", recipe, inputs, ["subword.model"], action)
    if settings.vocabulary is None:
        found = work.facts["subwords"].get("vocabulary", size)
        text = f"{pairs:,} {settings.unit}"
        print(f"    {found:,} subwords of {text}: --vocabulary N for another number")
    work.vocabulary = size


def reused_subwords_stage(work: Preparation, model: Path) -> None:
    """Takes a model of subwords as it is."""

    def action() -> None:
        with written_whole(work.folder / "subword.model") as temporary:
            temporary.write_bytes(model.read_bytes())

    recipe = {"method": work.settings.method}
    work.stage("subwords", recipe, {"--subword-model": model}, ["subword.model"], action)


def pieces_stage(work: Preparation, split: str) -> None:
    """Writes a split as subwords."""
    sources, outputs = work.paths(f"{work.words}/{split}.{{}}"), work.paths(f"pieces/{split}.{{}}")
    inputs = work.files(*work.names(f"{work.words}/{split}.{{}}"), "subword.model")

    def action() -> Facts:
        for source, output in zip(sources, outputs, strict=True):
            model = work.folder / "subword.model"
            apply_to_file(source, output, model, workers=work.settings.workers)
        return {"lines": check_same_count([*sources, *outputs], LOST)}

    recipe = tools(SUBWORD_TOOLS[work.settings.method])
    names = work.names(f"pieces/{split}.{{}}")
    work.stage(f"pieces.{split}", recipe, inputs, names, action)


def dictionary_stage(work: Preparation) -> None:
    """Writes the dictionaries: one that both languages share, or those that exist already."""
    reused = work.settings.reused
    if reused is not None and reused.dictionaries is not None:
        reused_dictionaries_stage(work, reused.dictionaries, reused.extends)
        return
    names, settings, size = work.dictionaries(), work.settings, work.vocabulary
    outputs = [work.folder / name for name in names]

    def action() -> Facts:
        texts = work.paths(f"{work.pieces}/train.{{}}")
        found = build_dictionary(texts, size, outputs[0], settings.workers, settings.symbols)
        for other in outputs[1:]:
            write_lines(other, read_text(outputs[0]))
        return {"subwords": found}

    recipe: dict[str, Any] = {"vocabulary": size, **tools()}
    if settings.symbols:
        recipe["symbols"] = list(settings.symbols)
    inputs = work.files(*work.names(f"{work.pieces}/train.{{}}"))
    work.stage("dictionary", recipe, inputs, names, action)
    found = work.facts["dictionary"]["subwords"]
    if settings.vocabulary is not None and found < FEW * settings.vocabulary:
        work.warn(
            [f"--vocabulary {settings.vocabulary} is more than the text has: {found:,} subwords"]
        )


def reused_dictionaries_stage(
    work: Preparation, dictionaries: tuple[Path, ...], extends: bool
) -> None:
    """Takes existing dictionaries, and adds at their ends what they lack, if that is asked for."""
    names, texts, settings = (
        work.dictionaries(),
        work.paths(f"{work.pieces}/train.{{}}"),
        work.settings,
    )
    outputs = [work.folder / name for name in names]
    is_joined = len({dictionary.read_bytes() for dictionary in dictionaries}) == 1

    def action() -> Facts:
        added = []
        for old, text, output in zip(dictionaries, texts, outputs, strict=True):
            if extends:
                of = texts if is_joined else [text]
                size = settings.vocabulary
                added.append(extend_dictionary(old, of, size, output, settings.workers))
            else:
                write_lines(output, lines_of(old))
        return dict(zip(settings.languages, added, strict=True)) if extends else {}

    inputs = {
        f"--dictionaries, {language}": dictionary
        for language, dictionary in zip(settings.languages, dictionaries, strict=True)
    }
    recipe: dict[str, Any] = {"extended": extends, **tools()}
    if extends:
        recipe["vocabulary"] = settings.vocabulary
        inputs |= work.files(*work.names(f"{work.pieces}/train.{{}}"))
    work.stage("dictionary", recipe, inputs, names, action)
    for language, added in work.facts["dictionary"].items():
        print(f"    {added:,} subwords added to the dictionary of {language}")


def binarised_stage(work: Preparation, split: str) -> None:
    """Writes a split in fairseq's format."""
    prefixes, texts = work.binarised(split), work.paths(f"{work.pieces}/{split}.{{}}")
    dictionaries = [work.folder / name for name in work.dictionaries()]

    def action() -> Facts:
        sides = zip(work.settings.languages, texts, dictionaries, prefixes, strict=True)
        facts = {
            language: binarise(text, dictionary, work.folder / prefix, work.settings.workers)
            for language, text, dictionary, prefix in sides
        }
        counts = [fact["sentences"] for fact in facts.values()]
        stop_unless_same([*texts, *texts], [*map(count_lines, texts), *counts], LOST)
        return facts

    inputs = work.files(*work.names(f"{work.pieces}/{split}.{{}}"), *work.dictionaries())
    names = [f"{prefix}.{kind}" for prefix in prefixes for kind in ("bin", "idx")]
    work.stage(f"{BINARISED}{split}", tools(), inputs, names, action)
    for language, counts in work.facts[f"{BINARISED}{split}"].items():
        unknown, subwords = counts["unknown"], counts["subwords"]
        if unknown > MANY_UNKNOWN * subwords:
            remedy = (
                "--extend-dictionaries adds them at its end"
                if work.settings.reused is not None and work.settings.reused.dictionaries
                else "is it in the language of the training text, and is that large enough?"
            )
            work.warn(
                [
                    f"{unknown:,} of the {subwords:,} subwords of {split}.{language} "
                    f"({unknown / subwords:.1%}) are not in the dictionary, so unknown to a model: "
                    f"{remedy}"
                ]
            )
