"""BLEU over a grid of length and coverage penalties, from n-best lists."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from moe_nmt.evaluation.heat_map import Axis, heat_map
from moe_nmt.evaluation.rescoring import NBest
from moe_nmt.files.tables import table


@dataclass(frozen=True)
class Surface:
    """BLEU for each alpha and beta.

    Args:
        alphas: exponents of the length penalty.
        betas: weights of the coverage penalty.
        bleu: [alphas, betas].
        as_decoded: BLEU of the translations that the decoder put first.
        measure: how BLEU is computed.
        sentences: how many.
        hypotheses: how many in all lists.
    """

    alphas: Sequence[float]
    betas: Sequence[float]
    bleu: NDArray[np.float64]
    as_decoded: float
    measure: str
    sentences: int
    hypotheses: int

    @property
    def best(self) -> tuple[float, float, float]:
        """Alpha, beta and BLEU of the best setting; of equal ones that of the smallest alpha."""
        row, column = divmod(int(self.bleu.argmax()), len(self.betas))
        return self.alphas[row], self.betas[column], float(self.bleu[row, column])

    def __str__(self) -> str:
        """What the command prints."""
        rows = [["alpha \\ beta", *(f"{beta:g}" for beta in self.betas)]]
        for alpha, line in zip(self.alphas, self.bleu, strict=True):
            rows.append([f"{alpha:g}", *(f"{bleu:.2f}" for bleu in line)])
        alpha, beta, bleu = self.best
        return "\n".join(
            [
                table(rows),
                f"{self.measure}, {self.hypotheses} hypotheses of {self.sentences} sentences",
                f"as decoded: BLEU {self.as_decoded:.2f}",
                f"best: alpha {alpha:g}, beta {beta:g}: BLEU {bleu:.2f}",
            ]
        )

    def as_json(self) -> dict[str, Any]:
        """The same as plain values."""
        alpha, beta, bleu = self.best
        return {
            "measure": self.measure,
            "sentences": self.sentences,
            "hypotheses": self.hypotheses,
            "bleu_as_decoded": self.as_decoded,
            "best": {"alpha": alpha, "beta": beta, "bleu": bleu},
            "alpha": [*self.alphas],
            "beta": [*self.betas],
            "bleu": self.bleu.tolist(),
        }

    def as_svg(self) -> str:
        """The same as a picture."""
        return heat_map(self.bleu, Axis("alpha", self.alphas), Axis("beta", self.betas), "BLEU")


def surface(
    n_best: NBest, alphas: Sequence[float], betas: Sequence[float], measure: str
) -> Surface:
    """Tries all pairs of alpha and beta."""
    bleu = [[n_best.bleu(n_best.chosen(alpha, beta)).score for beta in betas] for alpha in alphas]
    return Surface(
        alphas=alphas,
        betas=betas,
        bleu=np.array(bleu),
        as_decoded=n_best.as_decoded().score,
        measure=measure,
        sentences=len(n_best.log_p),
        hypotheses=int(np.isfinite(n_best.log_p).sum()),
    )
