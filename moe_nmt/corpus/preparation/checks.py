"""What is looked at before any work: files named twice, and whose the output folder is."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from itertools import chain
from operator import eq
from pathlib import Path

from moe_nmt.corpus.preparation.preparation import Preparation, Settings, Text
from moe_nmt.corpus.sources.own_text import OwnText, suffix
from moe_nmt.corpus.subwords.vocabulary_size import alphabet
from moe_nmt.errors import UserError
from moe_nmt.files.stages import STATE, read_record

SURE_COVERAGE = 0.999  # of a validation text, whose rare characters training text may lack
OURS = ("raw", "published", "clean", "text", "tokens", "pieces", "binarised", "subword.model")
NO_LANGUAGES = {"txt", "text", "raw", "tok", "src", "tgt", "ref", "sgm", "xml", "tsv", "csv", "bpe"}


def check_request(settings: Settings) -> None:
    """Stops where texts are named twice, or where others have filled the output folder."""
    names = [text.name for text in settings.train]
    for name in names:
        if names.count(name) > 1:
            raise UserError(f"two training texts are called {name}: leave one out")
    trained = {path.resolve() for text in own(settings.train) for path in text.paths}
    for text in own(chain.from_iterable(settings.held_out.values())):
        for path in text.paths:
            if path.resolve() in trained:
                raise UserError(
                    f"{path} is training text and a dev or test set at once: "
                    "set sentences aside that are not trained on"
                )
    for text in own_texts(settings):
        if len({path.resolve() for path in text.paths}) < len(text.paths):
            raise UserError(
                f"{text.paths[0]} cannot be both source and target: files come as source target "
                "source target"
            )
    check_folder(settings.folder)
    inputs = [path for text in own_texts(settings) for path in text.paths]
    if settings.reused is not None:
        inputs += [settings.reused.model, *(settings.reused.dictionaries or ())]
    outputs = [(settings.folder / name).resolve() for name in OURS]
    for path in inputs:
        if not {path.resolve(), *path.resolve().parents}.isdisjoint(outputs):
            raise UserError(
                f"{path} is what a run in --destdir {settings.folder} writes, and cannot be read "
                "by one: name another --destdir"
            )


def own(texts: Iterable[Text]) -> Iterator[OwnText]:
    """Those that are the user's own."""
    return (text for text in texts if isinstance(text, OwnText))


def own_texts(settings: Settings) -> Iterator[OwnText]:
    """All of the user's own texts."""
    return own(chain(settings.train, *settings.held_out.values()))


def check_folder(folder: Path) -> None:
    """Stops where the output folder is a file, or has what we would write but did not."""
    if folder.exists() and not folder.is_dir():
        raise UserError(f"--destdir {folder} is a file: name a folder")
    if (folder / STATE).exists():
        return
    for name in OURS:
        path = folder / name
        found = path if path.is_file() else next(path.glob("*"), None)
        if found is not None:
            raise UserError(
                f"{found.resolve()} exists but this recipe did not make it: "
                "choose another output folder, or remove it"
            )


def check_languages(work: Preparation) -> None:
    """Stops where the folder holds other languages, or the same the other way round."""
    path = work.stages.state / "languages"  # beside the stages' own records
    languages = list(work.settings.languages)
    before = read_record(path).get("languages", languages)
    if before != languages:
        raise UserError(
            f"{work.folder} holds data {direction(before)}, "
            f"not {direction(languages)}: name another folder with --destdir"
        )
    work.stages.record(path, languages=languages)


def direction(languages: Sequence[str]) -> str:
    """In words."""
    return f"from {' to '.join(languages)}" if len(languages) > 1 else f"of {languages[0]} alone"


def check_vocabulary(work: Preparation) -> None:
    """Stops before the cleaning where the validation text has more characters than subwords."""
    asked = work.settings.vocabulary
    if asked is None or work.settings.reused is not None or not work.has_subwords:
        return
    coverage = min(work.settings.coverage, SURE_COVERAGE)
    if asked < (least := alphabet(work.paths("text/valid.{}"), coverage)):
        raise UserError(
            f"--vocabulary {asked} is fewer than the characters of this text: at least {least}"
        )


def odd_names(settings: Settings) -> Iterator[str]:
    """Files whose names end in another language than theirs, while the other side's does not."""
    for text in own_texts(settings):
        found = [suffix(str(path)) for path in text.paths]
        are_right = [*map(eq, found, settings.languages)]
        if any(are_right) and not all(are_right):
            wrong = are_right.index(False)
            name = found[wrong]
            if name.isalpha() and len(name) in (2, 3) and name not in NO_LANGUAGES:
                yield f"{text.paths[wrong]} is taken for {settings.languages[wrong]}"
