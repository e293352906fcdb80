"""Each part of the package imports only what its floor allows (CONTRIBUTING.md says the same)."""

import subprocess
import sys

import pytest
from commands import ROOT

sys.path.append(str(ROOT / "docs"))

from imports import Import, imports, parts

TORCH = "torch typing_extensions"
FAIRSEQ = f"{TORCH} fairseq omegaconf"
LOWEST = "errors files options"

# From the lowest floor to the highest: what a part may import of moe_nmt, and of other packages.
# "corpus" alone stands for all of its folders.
ALLOWED = {
    "__init__": ("", ""),
    "errors": ("", ""),
    "options": ("", ""),
    "files": ("__init__ errors", "tabulate backports"),
    "corpus/sources": ("errors files", "sacrebleu yaml"),
    "corpus/cleaning": ("errors files corpus/sources", "numpy eldc langcodes"),
    "corpus/subwords": (
        "errors files corpus/cleaning",
        "regex sentencepiece subword_nmt sacremoses",
    ),
    "corpus/preparation": ("errors files corpus", "numpy"),
    "evaluation": ("errors files corpus", "numpy sacrebleu comet"),
    "moe": ("", TORCH),
    "distributed": ("moe", TORCH),
    "modules": ("moe", TORCH),
    "models": (f"{LOWEST} moe modules", f"{FAIRSEQ} yaml"),
    "checkpoints": (f"{LOWEST} moe distributed", f"{FAIRSEQ} numpy safetensors"),
    "optim": (f"{LOWEST} moe", FAIRSEQ),
    "criterions": (f"{LOWEST} moe modules", FAIRSEQ),
    "search": (f"{LOWEST} evaluation modules models", FAIRSEQ),
    "training": (f"{LOWEST} distributed models checkpoints search", f"{FAIRSEQ} numpy"),
    "tasks": (
        f"{LOWEST} corpus distributed modules checkpoints search training",
        f"{FAIRSEQ} numpy",
    ),
    "plugin": ("models checkpoints optim criterions training tasks", "hydra"),
    "insight": (
        f"{LOWEST} corpus evaluation moe modules models checkpoints plugin",
        f"{FAIRSEQ} matplotlib",
    ),
    "translation": (
        f"__init__ {LOWEST} corpus models search checkpoints plugin",
        f"{FAIRSEQ} safetensors",
    ),
    "serving": ("errors translation", "starlette uvicorn"),
    "cli": (
        f"__init__ {LOWEST} corpus evaluation models checkpoints insight translation serving",
        f"{FAIRSEQ} yaml",
    ),
    "__main__": (f"{LOWEST} cli", ""),
}
# Where the plugin begins: fairseq imports ``tasks`` of a --user-dir.
DOOR = ("moe_nmt/tasks/__init__.py", "plugin")


def is_allowed(found: Import) -> bool:
    """Whether the table has an import."""
    if found.of == found.part or (str(found.file), found.of) == DOOR:
        return True
    ours, others = ALLOWED[found.part]
    if found.is_ours:
        return not {found.of, found.of.partition("/")[0]}.isdisjoint(ours.split())
    # Options are read first: torch takes seconds to import.
    is_slow = found.part == "cli" and found.of in FAIRSEQ.split()
    return found.of in others.split() and (found.is_late or not is_slow)


def test_every_part_has_a_floor() -> None:
    assert set(parts()) - {"corpus"} == ALLOWED.keys()


def test_a_part_imports_what_its_floor_allows() -> None:
    wrong = [
        f"{found.file}:{found.line} imports {found.name}: {found.part} may not, by its floor"
        for found in imports()
        if not is_allowed(found)
    ]
    assert not wrong, "\n".join(wrong)


def test_each_floor_stands_on_those_above_it_in_the_table() -> None:
    lower: set[str] = set()
    for part, (ours, _) in ALLOWED.items():
        assert lower.issuperset(ours.split()), part
        lower |= {part, part.partition("/")[0]}


def test_what_the_commands_import_at_once_imports_no_torch() -> None:
    program = (
        "import importlib, sys\n"
        "for name in sys.argv[1:]: importlib.import_module(f'moe_nmt.cli.{name}')\n"
        "sys.exit(', '.join({'torch', 'fairseq'} & sys.modules.keys()))"
    )
    commands = [path.stem for path in (ROOT / "moe_nmt" / "cli").glob("[!_]*.py")]
    done = subprocess.run(
        [sys.executable, "-c", program, *commands], capture_output=True, text=True
    )
    assert done.stderr.strip() == ""


@pytest.mark.parametrize("part", sorted(ALLOWED.keys() - {"__init__", "__main__"}))
def test_contributing_names_every_part(part: str) -> None:
    name = part.rpartition("/")[2]
    text = (ROOT / "CONTRIBUTING.md").read_text(encoding="utf-8")
    assert f"`{name}`" in text or f"`{name}.py`" in text
