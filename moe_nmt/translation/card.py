"""The model card: what a model is, was trained on, and scores, for people (README.md)."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from moe_nmt.errors import UserError
from moe_nmt.files.tables import markdown
from moe_nmt.translation.description import Description


def model_card(
    name: str,
    description: Description,
    parameters: int,
    licence: str | None = None,
    scores: Path | None = None,
) -> str:
    """The text of the card, in Markdown under the header that model hubs read.

    Args:
        name: of the folder.
        description: what model.json says.
        parameters: of the model.
        licence: of the model; None: the card says that none was given.
        scores: what moe-nmt-score --json wrote; None: the card has none.
    """
    source, target = description.source.language, description.target.language
    options, training = description.model, description.training
    header = ["---", f"language: [{source}, {target}]"]
    header += [f"license: {json.dumps(licence)}"] if licence else []
    header += ["tags: [translation, mixture-of-experts]", "library_name: moe_nmt", "---"]
    facts = {
        "architecture": training.get("architecture"),
        "parameters": f"{parameters:,}",
        "experts of a mixture": options["experts"],
        "experts a token": options["k"],
        "gate": options["gate"],
        "source": side(description.source.pieces, description.source.tokenizer),
        "target": side(description.target.pieces, description.target.tokenizer),
        "updates": training.get("updates"),
    }
    return "\n".join(
        [
            *header,
            "",
            f"# {name}: {source} to {target}",
            "",
            "An LSTM encoder-decoder with mixtures of experts (Shazeer et al. 2017), trained with",
            "moe_nmt. Translate raw text, one sentence a line:",
            "",
            f"    moe-nmt-translate {name} < text.{source} > text.{target}",
            "",
            "## The model",
            "",
            markdown([("", ""), *facts.items()], "ll"),
            "",
            "## Data",
            "",
            *data_lines(description),
            "",
            "## Training",
            "",
            "```json",
            json.dumps(training, indent=2, ensure_ascii=False),
            "```",
            "",
            "## Scores",
            "",
            *score_lines(scores),
            "",
            "## Licence",
            "",
            licence or "None was given to moe-nmt-pack.",
            "",
        ]
    )


def data_lines(description: Description) -> list[str]:
    """What the model was trained on."""
    data = description.training.get("data")
    if data is None:
        return ["It was not prepared by moe-nmt-prepare, which says what it is."]
    return ["```json", json.dumps(data, indent=2, ensure_ascii=False), "```"]


def side(pieces: str, tokenizer: str) -> str:
    """How one language is read or written."""
    tokens = "" if tokenizer == "none" else f", tokens by {tokenizer.capitalize()}"
    return (pieces if pieces == "words" else f"subwords {pieces}") + tokens


def score_lines(file: Path | None) -> list[str]:
    """The scores of a report."""
    if file is None:
        return ["None were given to moe-nmt-pack."]
    try:
        report: dict[str, Any] = json.loads(file.read_text(encoding="utf-8"))
        rows = [
            (
                row["system"],
                row["measure"],
                f"{row['mean']:.2f}",
                row["signature"].replace("|", "\\|"),
            )
            for row in report["scores"]
        ]
    except (OSError, LookupError, AttributeError, RecursionError, TypeError, ValueError) as error:
        raise UserError(
            f"--scores {file} cannot be read as what moe-nmt-score --json writes: {error}"
        ) from error
    return [markdown([("system", "measure", "score", "signature"), *rows], "llrl")]
