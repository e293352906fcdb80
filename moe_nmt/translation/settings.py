"""How a model searches unless it is told otherwise: a part of its folder."""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import asdict, dataclass, fields, replace
from typing import Any, ClassVar, TypeVar

from moe_nmt.errors import LimitError
from moe_nmt.search import Score, SearchConfig, SearchOptions
from moe_nmt.search.continuing import ContinuationOptions, Sampling
from moe_nmt.search.generator import LengthLimit

GNMT = SearchConfig()
TYPES: dict[type, tuple[tuple[type, ...], str]] = {
    bool: ((bool,), "True or False"),
    int: ((int,), "a whole number"),
    float: ((int, float), "a number"),
}
MOST_A, MOST_B = 1000, 1_000_000  # so that no length is beyond int64
MOST_SEED = 2**63 - 1

AnySettings = TypeVar("AnySettings", bound="Settings")


@dataclass(frozen=True)
class Settings:
    """Plain values, checked where they are made."""

    model: ClassVar[str]  # what has them, for messages
    also: ClassVar[tuple[str, ...]] = ()  # what may be asked of it besides

    beam: int = 5
    max_len_a: float = 0.0
    max_len_b: int = 50

    def __post_init__(self) -> None:
        for field in fields(self):
            value = getattr(self, field.name)
            kind = type(field.default)
            kinds, said = TYPES[kind]
            if not isinstance(value, kinds) or (isinstance(value, bool) and kind is not bool):
                raise TypeError(f"{field.name} must be {said}, not {value!r}")
        for name, least, most in (("max_len_a", 0, MOST_A), ("max_len_b", 1, MOST_B)):
            if not least <= (value := getattr(self, name)) <= most:
                raise LimitError(name, f"must be from {least} to {most}, not {value}")
        self.options()

    def options(self, nbest: int = 1) -> Any:
        """What the search takes for so many results.

        Raises:
            LimitError: a value is outside its limits.
        """
        if nbest > self.beam:
            raise LimitError("nbest", f"must be at most the beam, {self.beam}, not {nbest}")

    @classmethod
    def refuse_others(cls, names: Iterable[str]) -> None:
        """Stops at the name of what such a model does not have.

        Raises:
            LimitError: it.
        """
        known = {field.name for field in fields(cls)}.union(cls.also)
        for name in names:
            if name not in known:
                raise LimitError(name, f"makes no sense for {cls.model}: leave it out")

    def changed(self: AnySettings, nbest: int, values: dict[str, Any]) -> AnySettings:
        """With other values for some fields, and a beam for so many results."""
        settings = replace(self, **values)
        if "beam" not in values and nbest > settings.beam:
            settings = replace(settings, beam=nbest)
        return settings

    def as_json(self) -> dict[str, Any]:
        """Plain values; JSON has no infinity, so it is "inf"."""
        return {name: "inf" if value == math.inf else value for name, value in asdict(self).items()}

    @classmethod
    def of_json(cls: type[AnySettings], values: dict[str, Any]) -> AnySettings:
        """The settings of a folder.

        Raises:
            TypeError, ValueError: they are not of this format, or outside their limits.
        """
        plain: dict[str, Any] = {
            name: math.inf if value == "inf" else value for name, value in values.items()
        }
        return cls(**plain)


WEIGHTS = {"alpha": "length_penalty_alpha", "beta": "coverage_penalty_beta"}


@dataclass(frozen=True)
class SearchSettings(Settings):
    """GNMT's values; the greatest length of a translation of x subwords is a x + b."""

    model = "a translation model"
    also = ("alignment", "split_longer_than")

    length_penalty_alpha: float = GNMT.length_penalty_alpha
    coverage_penalty_beta: float = GNMT.coverage_penalty_beta
    token_pruning: float = GNMT.token_pruning
    hypothesis_pruning: float = GNMT.hypothesis_pruning
    max_len_a: float = 2.0

    def options(self, nbest: int = 1) -> SearchOptions:
        """See ``Settings``."""
        with named(WEIGHTS):
            options = SearchOptions(
                beam=self.beam,
                nbest=nbest,
                score=Score(self.length_penalty_alpha, self.coverage_penalty_beta),
                token_pruning=self.token_pruning,
                hypothesis_pruning=self.hypothesis_pruning,
            )
        super().options(nbest)
        return options

    def limit(self) -> LengthLimit:
        """Of the length."""
        return LengthLimit(self.max_len_a, self.max_len_b)


OF_COMPLETION = {
    "length_exponent": "lenpen",
    "topk": "sampling_topk",
    "topp": "sampling_topp",
}


@dataclass(frozen=True)
class CompletionSettings(Settings):
    """fairseq's values; at most a x + b subwords more follow on a beginning of x.

    Args:
        lenpen: the score is log P over this power of the length.
        temperature: the logits are divided by it.
        sampling: draw words instead of searching for the best ones.
        sampling_topk: draw from so many of the most likely words; 0: from all.
        sampling_topp: draw from the most likely words that have this share of the probability.
        seed: of what is drawn.
    """

    model = "a language model"

    lenpen: float = 1.0
    temperature: float = 1.0
    sampling: bool = False
    sampling_topk: int = 0
    sampling_topp: float = 1.0
    seed: int = 1

    def __post_init__(self) -> None:
        super().__post_init__()
        if not 0 <= self.seed <= MOST_SEED:
            raise LimitError("seed", f"must be from 0 to {MOST_SEED}, not {self.seed}")

    def options(self, nbest: int = 1) -> ContinuationOptions:
        """See ``Settings``; of samples as many are drawn as are wanted."""
        with named(OF_COMPLETION):
            sampling = Sampling(self.sampling_topk, self.sampling_topp)
            options = ContinuationOptions(
                nbest if self.sampling else self.beam,
                self.lenpen,
                self.temperature,
                sampling if self.sampling else None,
            )
        super().options(nbest)
        return options

    def changed(self, nbest: int, values: dict[str, Any]) -> CompletionSettings:
        """See ``Settings``.

        Raises:
            LimitError: what is given belongs to drawing where there is none, or the reverse.
        """
        settings = super().changed(nbest, values)
        wrong = ("beam",) if settings.sampling else ("sampling_topk", "sampling_topp", "seed")
        for name in wrong:
            if name in values:
                remedy = "without" if settings.sampling else "with"
                mend = "nbest says how many are drawn" if settings.sampling else "add it"
                raise LimitError(name, f"goes {remedy} sampling: {mend}")
        return settings

    def most(self, subwords: int) -> int:
        """How many more may follow on so many."""
        return int(self.max_len_a * subwords + self.max_len_b)


@contextmanager
def named(names: Mapping[str, str]) -> Iterator[None]:
    """A value outside its limits is called as it is here."""
    try:
        yield
    except LimitError as error:
        raise LimitError(names.get(error.name, error.name), error.limits) from error
