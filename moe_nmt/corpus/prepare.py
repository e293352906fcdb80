"""From published archives, or a user's own text, to binarised data: the stages in their order.

    archives -> raw/ -> clean/ -> text/ -> (tokens/ ->) pieces/ -> binarised/

Every arrow is a stage of ``stages.py``: done once, done again when what it depends on changed.
Both sides are counted after every stage.
"""

from __future__ import annotations

import unicodedata
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path
from typing import Any

from moe_nmt.corpus.archives import extract, fetch, quoted_count
from moe_nmt.corpus.binarise import binarise
from moe_nmt.corpus.clean import Cleaner, clean
from moe_nmt.corpus.dictionary import build_dictionary
from moe_nmt.corpus.duplicates import merge
from moe_nmt.corpus.each_line import rewrite
from moe_nmt.corpus.files import (
    check_same_count,
    count_lines,
    read_text,
    stop_unless_same,
    write_lines,
)
from moe_nmt.corpus.held_out import Pair, held_out_sentences, write_held_out
from moe_nmt.corpus.languages import PACKAGE as LANGUAGE_TOOL
from moe_nmt.corpus.languages import Languages
from moe_nmt.corpus.moses import PACKAGE as TOKENIZER
from moe_nmt.corpus.moses import Moses
from moe_nmt.corpus.own_text import OwnText
from moe_nmt.corpus.registry import Corpus
from moe_nmt.corpus.report import (
    BINARISED,
    CLEAN,
    HELD_OUT,
    filters_of,
    write_manifest,
    write_report,
)
from moe_nmt.corpus.stages import Facts, Stage, Stages
from moe_nmt.corpus.subword import apply_to_file, learn

SUBWORD_TOOLS = {
    "sentencepiece": "sentencepiece",
    "bpe": "subword-nmt",
    "moses-bpe": "subword-nmt",
}
LOST = "lines were lost; is the disk full?"


Text = Corpus | OwnText


@dataclass(frozen=True)
class Settings:
    """What ``moe-nmt-prepare`` is asked for; the defaults are the command's."""

    languages: tuple[str, str]
    train: Sequence[Text]
    held_out: Mapping[str, Sequence[Text]]  # valid, test, test1, ...
    folder: Path
    archives: Path
    workers: int
    max_words: int
    max_ratio: float
    identify_languages: bool
    method: str
    vocabulary: int
    sample: int
    coverage: float
    seed: int


class Preparation:
    """Runs the stages for some settings."""

    def __init__(self, settings: Settings, stages: Stages) -> None:
        self.settings, self.stages = settings, stages
        self.folder = settings.folder
        self.facts: dict[str, Facts] = {}
        self.languages = Languages(settings.languages) if settings.identify_languages else None
        self.moses: list[Moses] = []  # for source and target, where subwords are of their tokens
        if settings.method == "moses-bpe":
            self.moses = [
                Moses(language, "--subword moses-bpe", "--subword bpe")
                for language in settings.languages
            ]
        self.words = "tokens" if self.moses else "text"  # the folder of what subwords are made of

    def run(self) -> None:
        """All of it."""
        settings = self.settings
        for split, texts in settings.held_out.items():
            self.held_out(split, [self.paths(text) for text in texts])
        for text in settings.train:
            self.clean(text.name, self.paths(text))
        self.merge()
        splits = ["train", *settings.held_out]
        if self.moses:
            for split in splits:
                self.tokenize(split)
        self.learn()
        for split in splits:
            self.segment(split)
        self.dictionary()
        for split in splits:
            self.binarise(split)
        write_report(self.folder / "report.txt", self.facts)
        write_manifest(self.folder / "manifest.json", self.stages, self.facts)

    def stage(
        self,
        name: str,
        recipe: Mapping[str, Any],
        inputs: Mapping[str, Path],
        outputs: Sequence[str],
        action: Any,
    ) -> None:
        """Runs a stage and remembers what it counted."""
        stage = Stage(name, recipe, inputs, [Path(output) for output in outputs])
        self.facts[name] = self.stages.run(stage, action)

    def pair(self, pattern: str) -> tuple[str, str]:
        """The names of both sides' files, {} filled in with the language."""
        source, target = self.settings.languages
        return pattern.format(source), pattern.format(target)

    def files(self, *names: str) -> dict[str, Path]:
        """Files of the output folder."""
        return {name: self.folder / name for name in names}

    def two(self, pattern: str) -> Pair:
        """Both sides' files."""
        source, target = self.pair(pattern)
        return self.folder / source, self.folder / target

    def paths(self, text: Text) -> Pair:
        """Both sides of a text; a published one is taken out of its archive first."""
        if isinstance(text, OwnText):
            return text.paths
        suffix = ".sgm" if text.members[0].endswith(".sgm") else ""
        names = self.pair(f"raw/{text.name}.{{}}{suffix}")
        outputs = self.two(f"raw/{text.name}.{{}}{suffix}")

        def action() -> Facts:
            archive = fetch(text, self.settings.archives)
            lines = extract(archive, dict(zip(text.members, outputs, strict=True)))
            counts = [lines[member] for member in text.members]
            if not suffix:
                stop_unless_same(outputs, counts, f"{archive} is not what it should be")
                quoted_count(text, counts[0])
            return {"lines": counts[0], "quoted": text.pairs}

        recipe = {"archive": text.checksum.digest, "members": list(text.members)}
        self.stage(f"raw.{text.name}", recipe, {}, names, action)
        return outputs

    def held_out(self, split: str, texts: Sequence[Pair]) -> None:
        """Writes a set as published and normalised."""
        published, normalised = self.two(f"published/{split}.{{}}"), self.two(f"text/{split}.{{}}")
        inputs = {
            f"{number}.{language}": path
            for number, text in enumerate(texts)
            for language, path in zip(self.settings.languages, text, strict=True)
        }

        def action() -> Facts:
            facts = write_held_out(texts, published, normalised)
            check_same_count([*published, *normalised], LOST)
            return facts

        names = [*self.pair(f"published/{split}.{{}}"), *self.pair(f"text/{split}.{{}}")]
        self.stage(f"{HELD_OUT}{split}", tools(), inputs, names, action)

    def clean(self, name: str, texts: Pair) -> None:
        """Cleans one corpus."""
        if texts[0].suffix == ".sgm":
            raise SystemExit(f"moe_nmt: {texts[0]} is a test set: name text to train on")
        settings = self.settings
        held_out = [self.two(f"text/{split}.{{}}") for split in settings.held_out]
        inputs = dict(zip(self.pair(f"{name}.{{}}"), texts, strict=True))
        for split in settings.held_out:
            inputs |= self.files(*self.pair(f"text/{split}.{{}}"))
        source, target = self.two(f"clean/{name}.{{}}")
        digests = self.folder / f"clean/{name}.digests"

        def action() -> Facts:
            sentences = [held_out_sentences(paths) for paths in zip(*held_out, strict=True)]
            cleaner = Cleaner(
                settings.max_words,
                settings.max_ratio,
                (sentences[0], sentences[1]),
                self.languages,
            )
            outputs = (source, target, digests)
            facts = clean(name, texts, outputs, cleaner, settings.workers)
            stop_unless_same(
                (source, target, digests),
                [count_lines(source), count_lines(target), facts["left"]],
                LOST,
            )
            return facts

        recipe = {"max-words": settings.max_words, "max-ratio": settings.max_ratio, **tools()}
        if self.languages is not None:
            recipe |= {"identify-languages": list(settings.languages), **tools(LANGUAGE_TOOL)}
        names = [*self.pair(f"clean/{name}.{{}}"), f"clean/{name}.digests"]
        self.stage(f"{CLEAN}{name}", recipe, inputs, names, action)

    def merge(self) -> None:
        """Joins the corpora without duplicates."""
        names = [text.name for text in self.settings.train]
        corpora = [
            (*self.two(f"clean/{name}.{{}}"), self.folder / f"clean/{name}.digests")
            for name in names
        ]
        outputs = self.two("text/train.{}")
        inputs = self.files(
            *(f"clean/{name}.{kind}" for name in names for kind in (*self.pair("{}"), "digests"))
        )

        def action() -> Facts:
            kept = merge(corpora, outputs, self.folder / "clean" / "buckets")
            lines = check_same_count(outputs, LOST)
            if lines != sum(kept):
                raise SystemExit(
                    f"moe_nmt: {outputs[0]} has {lines} lines, not {sum(kept)}: {LOST}"
                )
            if lines == 0:
                taken = sum((Counter(self.facts[f"{CLEAN}{name}"]) for name in names), Counter())
                found = ", ".join(f"{taken[reason]} {reason}" for reason in filters_of(self.facts))
                raise SystemExit(
                    f"moe_nmt: the filters left none of {taken['pairs']} training pairs ({found}): "
                    "are the files text in UTF-8, and --max-words and --max-ratio right?"
                )
            return dict(zip(names, kept, strict=True))

        self.stage("train", {"corpora": names}, inputs, self.pair("text/train.{}"), action)

    def tokenize(self, split: str) -> None:
        """Writes a split as Moses' tokens."""
        sources, outputs = self.two(f"text/{split}.{{}}"), self.two(f"tokens/{split}.{{}}")

        def action() -> Facts:
            for source, output, moses in zip(sources, outputs, self.moses, strict=True):
                rewrite(source, output, moses.corpus_tokens, "tokenising", self.settings.workers)
            return {"lines": check_same_count([*sources, *outputs], LOST)}

        inputs = self.files(*self.pair(f"text/{split}.{{}}"))
        names = self.pair(f"tokens/{split}.{{}}")
        self.stage(f"tokens.{split}", tools(TOKENIZER), inputs, names, action)

    def learn(self) -> None:
        """Learns the subwords."""
        settings = self.settings
        texts, model = self.two(f"{self.words}/train.{{}}"), self.folder / "subword.model"
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

        inputs = self.files(*self.pair(f"{self.words}/train.{{}}"))
        self.stage("subwords", recipe, inputs, ["subword.model"], action)

    def segment(self, split: str) -> None:
        """Writes a split as subwords."""
        sources, outputs = self.two(f"{self.words}/{split}.{{}}"), self.two(f"pieces/{split}.{{}}")
        inputs = self.files(*self.pair(f"{self.words}/{split}.{{}}"), "subword.model")

        def action() -> Facts:
            for source, output in zip(sources, outputs, strict=True):
                model = self.folder / "subword.model"
                apply_to_file(source, output, model, workers=self.settings.workers)
            return {"lines": check_same_count([*sources, *outputs], LOST)}

        recipe = tools(SUBWORD_TOOLS[self.settings.method])
        names = self.pair(f"pieces/{split}.{{}}")
        self.stage(f"pieces.{split}", recipe, inputs, names, action)

    def dictionary(self) -> None:
        """Writes the dictionary that both languages share."""
        names, outputs = self.pair("binarised/dict.{}.txt"), self.two("binarised/dict.{}.txt")
        settings = self.settings

        def action() -> Facts:
            texts = self.two("pieces/train.{}")
            size = build_dictionary(texts, settings.vocabulary, outputs[0], settings.workers)
            write_lines(outputs[1], read_text(outputs[0]))
            return {"subwords": size}

        recipe = {"vocabulary": settings.vocabulary, **tools()}
        inputs = self.files(*self.pair("pieces/train.{}"))
        self.stage("dictionary", recipe, inputs, names, action)

    def binarise(self, split: str) -> None:
        """Writes a split in fairseq's format."""
        prefixes = self.pair(f"binarised/{split}.{'-'.join(self.settings.languages)}.{{}}")
        texts = self.two(f"pieces/{split}.{{}}")
        dictionary = self.folder / self.pair("binarised/dict.{}.txt")[0]

        def action() -> Facts:
            facts = {
                language: binarise(text, dictionary, self.folder / prefix, self.settings.workers)
                for language, text, prefix in zip(
                    self.settings.languages, texts, prefixes, strict=True
                )
            }
            counts = [fact["sentences"] for fact in facts.values()]
            stop_unless_same([*texts, *texts], [*map(count_lines, texts), *counts], LOST)
            return facts

        inputs = self.files(
            *self.pair(f"pieces/{split}.{{}}"), self.pair("binarised/dict.{}.txt")[0]
        )
        names = [f"{prefix}.{kind}" for prefix in prefixes for kind in ("bin", "idx")]
        self.stage(f"{BINARISED}{split}", tools(), inputs, names, action)


def tools(*packages: str) -> dict[str, str]:
    """The versions of what a stage's outputs depend on."""
    return {
        "unicode": unicodedata.unidata_version,
        **{package: version(package) for package in ("moe_nmt", *packages)},
    }


def prepare(settings: Settings) -> None:
    """Does all that is not done yet."""
    names = [text.name for text in settings.train]
    for name in names:
        if names.count(name) > 1:
            raise SystemExit(f"moe_nmt: two training texts are called {name}: leave one out")
    with Stages(settings.folder) as stages:
        Preparation(settings, stages).run()
