"""The stages from archives, or a user's own files, to clean text (and Moses' tokens)."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

from moe_nmt.corpus.cleaning.clean import Cleaner, clean
from moe_nmt.corpus.cleaning.duplicates import merge
from moe_nmt.corpus.cleaning.held_out import Sides, held_out_sentences, write_held_out
from moe_nmt.corpus.cleaning.languages import PACKAGE as LANGUAGE_TOOL
from moe_nmt.corpus.cleaning.sides import objections
from moe_nmt.corpus.preparation.losses import DUPLICATE, losses
from moe_nmt.corpus.preparation.preparation import CLEAN, HELD_OUT, LOST, Preparation, Text, tools
from moe_nmt.corpus.preparation.report import filters_of
from moe_nmt.corpus.sources.archives import extract, fetch, quoted_count
from moe_nmt.corpus.sources.own_text import OwnText
from moe_nmt.corpus.sources.sgm import is_test_set
from moe_nmt.corpus.subwords.moses import PACKAGE as TOKENIZER
from moe_nmt.errors import UserError
from moe_nmt.files.containers import remedy
from moe_nmt.files.each_line import rewrite
from moe_nmt.files.stages import Facts
from moe_nmt.files.text import check_same_count, count_lines, stop_unless_same

FEW_PAIRS = 1000


def raw_stage(work: Preparation, text: Text) -> Sides:
    """All sides of a text; a published one is taken out of its archive first."""
    if isinstance(text, OwnText):
        return text.paths
    suffix = ".sgm" if text.members[0].endswith(".sgm") else ""
    names = work.names(f"raw/{text.name}.{{}}{suffix}")
    outputs = work.paths(f"raw/{text.name}.{{}}{suffix}")

    def action() -> Facts:
        archive = fetch(text, work.settings.archives)
        lines = extract(archive, dict(zip(text.members, outputs, strict=True)))
        counts = [lines[member] for member in text.members]
        if not suffix:
            stop_unless_same(outputs, counts, f"{archive} is not what it should be")
            quoted_count(text, counts[0])
        return {"lines": counts[0], "quoted": text.pairs}

    recipe = {"archive": text.checksum.digest, "members": list(text.members)}
    work.stage(f"raw.{text.name}", recipe, {}, names, action)
    return outputs


def held_out_stage(work: Preparation, split: str, texts: Sequence[Sides]) -> None:
    """Writes a set as published and normalised."""
    published, normalised = work.paths(f"published/{split}.{{}}"), work.paths(f"text/{split}.{{}}")
    inputs = {
        f"{number}.{language}": path
        for number, text in enumerate(texts)
        for language, path in zip(work.settings.languages, text, strict=True)
    }

    def action() -> Facts:
        facts = write_held_out(texts, published, normalised)
        check_same_count([*published, *normalised], LOST)
        return facts

    names = [*work.names(f"published/{split}.{{}}"), *work.names(f"text/{split}.{{}}")]
    work.stage(f"{HELD_OUT}{split}", tools(), inputs, names, action)
    counts = work.facts[f"{HELD_OUT}{split}"]
    if empty := counts.get("empty"):
        work.warn(
            [
                f"{empty:,} of the {counts['lines']:,} {work.settings.unit} of {split} "
                f"{'have an empty side' if work.settings.is_parallel else 'are empty'}: "
                "no line of a set is left out, but these tell nothing of a model"
            ]
        )
    work.warn(objections(split, normalised, "valid", work.paths("text/valid.{}")))


def clean_stage(work: Preparation, name: str, texts: Sides) -> None:
    """Cleans one corpus."""
    for path in texts:
        if is_test_set(path):
            raise UserError(f"{path} is a test set: name text to train on")
    settings = work.settings
    held_out = [work.paths(f"text/{split}.{{}}") for split in settings.held_out]
    inputs = dict(zip(work.names(f"{name}.{{}}"), texts, strict=True))
    for split in settings.held_out:
        inputs |= work.files(*work.names(f"text/{split}.{{}}"))
    outputs = work.paths(f"clean/{name}.{{}}")
    digests = work.folder / f"clean/{name}.digests"

    def action() -> Facts:
        sentences = [held_out_sentences(paths) for paths in zip(*held_out, strict=True)]
        cleaner = Cleaner(
            settings.max_words,
            settings.max_characters,
            settings.max_ratio,
            tuple(sentences),
            work.languages,
        )
        facts = clean(name, texts, outputs, digests, cleaner, settings.workers)
        files = " and ".join(map(str, texts))
        verb, which = ("are", "a side") if settings.is_parallel else ("is", "it")
        if facts["pairs"] == 0:
            raise UserError(f"{files} {verb} empty: name files with text")
        if 2 * facts["not UTF-8"] > facts["pairs"]:
            raise UserError(
                f"{facts['not UTF-8']:,} of the {facts['pairs']:,} {settings.unit} of {files} are "
                f"not UTF-8: if {which} is LATIN1, say, {remedy('LATIN1')}"
            )
        stop_unless_same((*outputs, digests), [*map(count_lines, outputs), facts["left"]], LOST)
        return facts

    recipe = {
        "max-words": settings.max_words,
        "max-characters": settings.max_characters,
        "max-ratio": settings.max_ratio,
        **tools(),
    }
    if work.languages is not None:
        recipe |= {"identify-languages": list(settings.languages), **tools(LANGUAGE_TOOL)}
    names = [*work.names(f"clean/{name}.{{}}"), f"clean/{name}.digests"]
    work.stage(f"{CLEAN}{name}", recipe, inputs, names, action)
    counts = work.facts[f"{CLEAN}{name}"]
    taken = [f"{counts[reason]:,} {reason}" for reason in filters_of(work.facts) if counts[reason]]
    left = f"{counts['left']:,} of {counts['pairs']:,} {settings.unit} left"
    print(f"    {left}", *taken, sep=", ", flush=True)
    work.warn(losses(name, counts, settings))
    work.warn(objections(name, outputs, "valid", work.paths("text/valid.{}")))


def merge_stage(work: Preparation) -> None:
    """Joins the corpora without duplicates."""
    unit = work.settings.unit
    names = [text.name for text in work.settings.train]
    corpora = [
        (work.paths(f"clean/{name}.{{}}"), work.folder / f"clean/{name}.digests") for name in names
    ]
    outputs = work.paths("text/train.{}")
    inputs = work.files(
        *(f"clean/{name}.{kind}" for name in names for kind in (*work.names("{}"), "digests"))
    )

    def action() -> Facts:
        kept = merge(corpora, outputs, work.folder / "clean" / "buckets")
        lines = check_same_count(outputs, LOST)
        if lines != sum(kept):
            raise UserError(f"{outputs[0]} has {lines} lines, not {sum(kept)}: {LOST}")
        if lines == 0:
            taken = sum((Counter(work.facts[f"{CLEAN}{name}"]) for name in names), Counter())
            found = ", ".join(
                f"{taken[reason]} {reason}" for reason in filters_of(work.facts) if taken[reason]
            )
            limits = "--max-words and --max-ratio" if work.settings.is_parallel else "--max-words"
            raise UserError(
                f"the filters left none of {taken['pairs']} training {unit} ({found}): "
                f"are the files text in UTF-8, and {limits} right?"
            )
        return dict(zip(names, kept, strict=True))

    work.stage("train", {"corpora": names}, inputs, work.names("text/train.{}"), action)
    for name, kept in work.facts["train"].items():
        counts = work.facts[f"{CLEAN}{name}"]
        duplicates = {"pairs": counts["pairs"], DUPLICATE: counts["left"] - kept}
        work.warn(losses(name, duplicates, work.settings))
    if (pairs := sum(work.facts["train"].values())) < FEW_PAIRS:
        work.warn([f"there are {pairs:,} training {unit}: thousands are needed to learn from"])


def tokens_stage(work: Preparation, split: str) -> None:
    """Writes a split as Moses' tokens."""
    sources, outputs = work.paths(f"text/{split}.{{}}"), work.paths(f"tokens/{split}.{{}}")

    def action() -> Facts:
        for source, output, moses in zip(sources, outputs, work.moses, strict=True):
            rewrite(source, output, moses.corpus_tokens, "tokenising", work.settings.workers)
        return {"lines": check_same_count([*sources, *outputs], LOST)}

    inputs = work.files(*work.names(f"text/{split}.{{}}"))
    names = work.names(f"tokens/{split}.{{}}")
    work.stage(f"tokens.{split}", tools(TOKENIZER), inputs, names, action)
