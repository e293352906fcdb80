"""GNMT's beam search (Wu et al. 2016, section 7).

    encode -> [ step -> candidates -> finished, or into the next beam ] * -> trace back

``score.py`` is the formula, ``ensemble.py`` asks the models, ``candidates.py`` picks the best
continuations, ``beam.py`` holds the hypotheses, ``beam_search.py`` is the loop, ``history.py``
remembers what it chose; ``generator.py`` and ``build.py`` fit the search to fairseq's commands.
"""

from moe_nmt.search.beam_search import BeamSearch, SearchOptions
from moe_nmt.search.build import build_generator
from moe_nmt.search.config import SearchConfig
from moe_nmt.search.generator import Generator
from moe_nmt.search.score import Score

__all__ = [
    "BeamSearch",
    "Generator",
    "Score",
    "SearchConfig",
    "SearchOptions",
    "build_generator",
]
