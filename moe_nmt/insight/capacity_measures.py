"""What a trained model of the capacity study does on held-out text, whole and by domain."""

from __future__ import annotations

import sys
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from moe_nmt.errors import UserError
from moe_nmt.evaluation.generated import best_hypotheses
from moe_nmt.evaluation.measures import sacre_metrics
from moe_nmt.files.command_stage import run_command
from moe_nmt.files.text import read_text
from moe_nmt.insight.balance_report import expert_use
from moe_nmt.insight.held_out import load, losses
from moe_nmt.insight.specialisation import Information, choices
from moe_nmt.insight.training_run import CHECKPOINT
from moe_nmt.moe.balance import balance_figures

GENERATED = Path("generated.txt")
SHUFFLE_SEED = 1


@dataclass(frozen=True)
class Domains:
    """Which domain each sentence of a test set is of.

    Args:
        names: of the domains, in alphabetical order.
        label: [sentences] int64, index of a name.
    """

    names: list[str]
    label: Tensor

    @classmethod
    def read(cls, path: Path | None, sentences: int) -> Domains:
        """Reads a file with a name in each line; without one there is a single domain.

        Raises:
            UserError: it has another number of lines.
        """
        if path is None:
            return cls(["all"], torch.zeros(sentences, dtype=torch.int64))
        lines = [*read_text(path)]
        if len(lines) != sentences:
            raise UserError(
                f"{path} has {len(lines)} lines but the test set {sentences} sentences: "
                "name the domain of each sentence on a line of its own"
            )
        names = sorted(set(lines))
        return cls(names, torch.tensor([names.index(line) for line in lines]))


@torch.no_grad()
def measure(folder: Path, data: Path, domains_file: Path | None) -> dict[str, Any]:
    """Perplexity, balance, and what the choice of expert tells about domain and word.

    Args:
        folder: of the run.
        data: whose test set is read.
        domains_file: the domain of each of its sentences.
    """
    model, batches = load(folder / CHECKPOINT, data, "test", max_tokens=4000)
    found = losses(model, batches)
    domains = Domains.read(domains_file, len(found.nats))
    mixtures: dict[str, Any] = {}
    use = expert_use(model, batches)
    for name, chosen in choices(model, batches).items():
        figures = {key: float(v) for key, v in vars(balance_figures(*use[name])).items()}
        places = torch.arange(len(chosen.word))
        about = {
            "domain": Information.of(domains.label, chosen.sentence, chosen.expert, SHUFFLE_SEED),
            "word": Information.of(chosen.word, places, chosen.expert, SHUFFLE_SEED),
        }
        bits = {label: information._asdict() for label, information in about.items()}
        mixtures[name] = {**figures, "information": bits}
    return {
        "tokens": int(found.tokens.sum()),
        "perplexity": found.perplexity(),
        "domains": {
            name: found.perplexity(domains.label == number)
            for number, name in enumerate(domains.names)
        },
        "mixtures": mixtures,
    }


def test_set(data: Path) -> list[Path]:
    """Its files, of one side or of both."""
    return sorted(data.glob("test*.bin"))


def translate(folder: Path, data: Path) -> list[str]:
    """Translates the test set with a beam of 4, unless that is done."""
    command = [
        *(str(Path(sys.executable).with_name("fairseq-generate")), str(data)),
        *("--user-dir", "moe_nmt", "--task", "expert_parallel_translation"),
        *("--path", str(CHECKPOINT), "--gen-subset", "test", "--beam", "4"),
        *("--max-tokens", "4000", "--num-workers", "0", "--remove-bpe", "sentencepiece"),
    ]
    inputs = [str(path) for path in (folder / CHECKPOINT, *test_set(data))]
    run_command("translate", command, inputs, [], stdout=GENERATED, folder=folder)
    best = best_hypotheses(folder / GENERATED)
    return [best[number].text for number in sorted(best)]


@dataclass(frozen=True)
class Quality:
    """Of translations: sacreBLEU's BLEU and chrF2."""

    bleu: float
    chrf: float


def qualities(
    translations: Sequence[str], reference: Sequence[str], domains: Domains
) -> Mapping[str, Any]:
    """BLEU and chrF2 of the whole test set and of each domain."""

    def of(chosen: Sequence[int]) -> dict[str, float]:
        metrics = sacre_metrics([[reference[i] for i in chosen]], lowercase=False)
        mine = [translations[i] for i in chosen]
        scores = (metric.corpus_score(mine, None).score for metric in metrics.values())
        return asdict(Quality(*scores))

    labels = domains.label.tolist()
    return {
        **of(range(len(reference))),
        "domains": {
            name: of([i for i, label in enumerate(labels) if label == number])
            for number, name in enumerate(domains.names)
        },
    }
