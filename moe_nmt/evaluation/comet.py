"""COMET (Rei et al. 2022), where its package and a model are there already: nothing is fetched.

Its models are files of the package's own kind, which can run code when they are read: take them
from their publisher only.
"""

from __future__ import annotations

from collections.abc import Sequence
from importlib.metadata import version
from pathlib import Path

from moe_nmt.errors import UserError
from moe_nmt.evaluation.measures import Score, Texts


class Comet:
    """A model's mean estimate of the quality of the sentences, about 0 to 1, times 100."""

    name = "COMET"

    def __init__(self, folder: Path, sources: Texts, reference: Texts) -> None:
        checkpoint = folder / "checkpoints" / "model.ckpt"
        if not checkpoint.is_file():
            raise UserError(
                f"--comet {folder} holds no checkpoints/model.ckpt: name the folder of a "
                "COMET model"
            )
        try:
            from comet import load_from_checkpoint
        except ImportError as error:
            raise UserError(
                "--comet needs the package unbabel-comet: pip install unbabel-comet"
            ) from error
        self.model = load_from_checkpoint(str(checkpoint), local_files_only=True)
        self.sources, self.reference = sources, reference
        self.signature = f"model:{folder.name}|unbabel-comet:{version('unbabel-comet')}"

    def score(self, hypotheses: Sequence[str]) -> Score:
        """The mean over all sentences."""
        samples = [
            {"src": source, "mt": hypothesis, "ref": reference}
            for source, hypothesis, reference in zip(
                self.sources, hypotheses, self.reference, strict=True
            )
        ]
        return Score(100 * float(self.model.predict(samples, gpus=0).system_score))
