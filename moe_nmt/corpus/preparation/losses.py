"""Says so where cleaning takes much of a corpus: a wrong option or file does that, seldom the text.

Each filter has a sentence with what it looks for, the likely reason, and what mends it.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from moe_nmt.corpus.preparation.preparation import Settings

MUCH = 0.2  # of the pairs of a corpus
DUPLICATE = "duplicate"

HINTS = {
    "not UTF-8": "{side} is in another encoding; convert the files, with iconv, say",
    "empty": "{side} has no text{translations}",
    "too long": "{side} has more than {max_words} words or {max_characters} characters; is there "
    "one sentence a line? --max-words and --max-characters allow more",
    "ratio": "one side has more than {max_ratio:g} times the words of the other{translations} "
    "--max-ratio allows more",
    "language": "{side} is surely in another language{order} Without --identify-languages the "
    "{unit} stay",
    "held out": "{side} is also in a dev or test set; were these taken from the training "
    "text, or is one file named for both?",
    DUPLICATE: "{both} occurred before, in this text or an earlier one; is a text named twice?",
    "copied": "both sides are the same; is one file a copy of the other, or not translated? "
    "These pairs stay, and teach a model to copy",
}

# What the hints call it.
OF_PAIRS = {
    "side": "a side",
    "both": "both sides have",
    "translations": "; are the files translations of each other line by line?",
    "order": "; are the files in the right order, source before target?",
}
OF_SENTENCES = {"side": "a sentence", "both": "a sentence has", "translations": "", "order": "."}


def losses(name: str, counts: Mapping[str, int], settings: Settings) -> Iterator[str]:
    """A sentence for each filter that took much of the corpus of that name.

    Args:
        name: of the corpus.
        counts: pairs in all, by "pairs", and those that each filter took, by its name.
        settings: with the filters' limits.
    """
    for reason, hint in HINTS.items():
        taken, pairs = counts.get(reason, 0), counts["pairs"]
        if taken > MUCH * pairs:
            share = f"{taken:,} of the {pairs:,} {settings.unit} of {name} ({taken / pairs:.0%})"
            words = OF_PAIRS if settings.is_parallel else OF_SENTENCES
            limits = hint.format(
                **words,
                unit=settings.unit,
                max_words=settings.max_words,
                max_characters=settings.max_characters,
                max_ratio=settings.max_ratio,
            )
            what = "are the same on both sides" if reason == "copied" else f"are gone as {reason}"
            yield f"{share} {what}: {limits}"
