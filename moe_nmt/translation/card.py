"""The model card: what a model is, was trained on, and scores, for people (README.md)."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from moe_nmt.errors import UserError
from moe_nmt.files.tables import markdown
from moe_nmt.translation.description import Description, Side
from moe_nmt.translation.kinds import TRANSLATION


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
    source, target = description.source, description.target
    options, training = description.model, description.training
    if description.of_kind is TRANSLATION:
        languages, tag = f"{source.language}, {target.language}", "translation"
        texts = {"source": side(source), "target": side(target)}
        introduction = of_translation(name, source.language, target.language)
    else:
        languages, tag, texts = source.language, "text-generation", {"text": side(source)}
        introduction = of_language(name, source.language)
    header = ["---", f"language: [{languages}]"]
    header += [f"license: {json.dumps(licence)}"] if licence else []
    header += [f"tags: [{tag}, mixture-of-experts]", "library_name: moe_nmt", "---"]
    facts = {
        "architecture": training.get("architecture"),
        "parameters": f"{parameters:,}",
        "experts of a mixture": options["experts"],
        "experts a token": options["k"],
        "gate": options["gate"],
        **texts,
        "updates": training.get("updates"),
    }
    return "\n".join(
        [
            *header,
            "",
            *introduction,
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


def of_translation(name: str, source: str, target: str) -> list[str]:
    """What a translation model is, and how to use it."""
    return [
        f"# {name}: {source} to {target}",
        "",
        "An LSTM encoder-decoder with mixtures of experts (Shazeer et al. 2017), trained with",
        "moe_nmt. Translate raw text, one sentence a line:",
        "",
        f"    moe-nmt-translate {name} < text.{source} > text.{target}",
    ]


def of_language(name: str, language: str) -> list[str]:
    """What a language model is, and how to use it."""
    return [
        f"# {name}: {language}",
        "",
        "An LSTM language model with mixtures of experts (Shazeer et al. 2017), trained with",
        "moe_nmt. Go on with raw beginnings of sentences, one a line:",
        "",
        f"    moe-nmt-translate {name} --sampling < beginnings > sentences",
    ]


def data_lines(description: Description) -> list[str]:
    """What the model was trained on."""
    data = description.training.get("data")
    if data is None:
        return ["It was not prepared by moe-nmt-prepare, which says what it is."]
    return ["```json", json.dumps(data, indent=2, ensure_ascii=False), "```"]


def side(of: Side) -> str:
    """How one language is read or written."""
    tokens = "" if of.tokenizer == "none" else f", tokens by {of.tokenizer.capitalize()}"
    return (of.pieces if of.pieces == "words" else f"subwords {of.pieces}") + tokens


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
