"""fairseq's ``from_pretrained`` and what it gives: a trained model to call from Python."""

from __future__ import annotations

import copy
import importlib
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from fairseq import hub_utils
from fairseq.dataclass.configs import GenerationConfig

from moe_nmt.errors import UserError

# Arguments of fairseq's ``generate`` besides the options of generation.
ARGUMENTS = ("skip_invalid_size_inputs", "inference_step_args", "prefix_allowed_tokens_fn")


class Hub(hub_utils.GeneratorHubInterface):
    """fairseq's interface, which takes the options of our search and nothing it does not know."""

    def sample(
        self, sentences: str | Sequence[str], beam: int = 1, verbose: bool = False, **options: Any
    ) -> Any:
        """Translates one sentence, or a list of them; blank ones stay blank."""
        if isinstance(sentences, str):
            return self.sample([sentences], beam, verbose, **options)[0]
        full = [sentence for sentence in sentences if sentence.strip()]
        translated = iter(super().sample(full, beam, verbose, **options))
        return [next(translated) if sentence.strip() else "" for sentence in sentences]

    def generate(
        self, tokenized_sentences: Any, beam: int = 5, verbose: bool = False, **options: Any
    ) -> Any:
        """Hypotheses of numbered sentences.

        Args:
            tokenized_sentences: of ``encode``.
            beam: hypotheses that are followed.
            verbose: whether to log what is found.
            options: of fairseq-generate and of the task, such as ``length_penalty_alpha``.

        Raises:
            TypeError: there is no option of that name.
        """
        if not len(tokenized_sentences):
            return []
        of_task = {name: options.pop(name) for name in [*options] if hasattr(self.task.cfg, name)}
        for name in options:
            if not hasattr(GenerationConfig, name) and name not in ARGUMENTS:
                raise TypeError(f"translate() has no option {name!r}")
        # Another thread may search with other options at the same time.
        one = copy.copy(self)
        one.task = copy.copy(self.task)
        one.task.cfg = copy.copy(self.task.cfg)
        for name, value in of_task.items():
            setattr(one.task.cfg, name, value)
        return super(Hub, one).generate(tokenized_sentences, beam, verbose, **options)


def from_pretrained(folder: str, checkpoints: str, data: str, **overrides: Any) -> Hub:
    """Loads checkpoints of a folder; see ``GNMTMoEModel.from_pretrained``."""
    importlib.import_module("moe_nmt.plugin")  # the task, and the types that checkpoints hold
    for path in (folder, str(Path(folder, data)) if data.startswith(".") else data):
        if not Path(path).is_dir():
            raise UserError(f"{path} is no folder: name those of the checkpoint and of its data")
    found = hub_utils.from_pretrained(folder, checkpoints, data, **overrides)
    return Hub(found["args"], found["task"], found["models"])
