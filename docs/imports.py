"""What each part of moe_nmt imports, read from its files.

A part is a folder, a folder of ``corpus``, or a file beside the folders, such as ``errors``.
"""

from __future__ import annotations

import ast
import functools
import importlib.util
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
PACKAGE = ROOT / "moe_nmt"


@dataclass(frozen=True)
class Import:
    """One name that a file imports when it runs, wherever in it.

    Args:
        file: seen from the project's folder.
        line: in it.
        part: that the file belongs to.
        name: what is imported.
        of: the part of moe_nmt, or else the package, that the name belongs to.
        is_ours: whether it is a part of moe_nmt.
        is_late: whether a function imports it.
    """

    file: Path
    line: int
    part: str
    name: str
    of: str
    is_ours: bool
    is_late: bool


def parts() -> list[str]:
    """All parts."""
    return sorted({part_of(path) for path in PACKAGE.rglob("*.py")})


def part_of(path: Path) -> str:
    """The part that a file of the package belongs to."""
    folder, _, name = path.relative_to(PACKAGE).with_suffix("").as_posix().rpartition("/")
    return folder or name


def purpose(part: str) -> str:
    """The first sentence of its docstring's first line."""
    path = PACKAGE / part
    path = path / "__init__.py" if path.is_dir() else path.with_suffix(".py")
    docstring = ast.get_docstring(ast.parse(path.read_text(encoding="utf-8"))) or ""
    return docstring.partition("\n")[0].partition(".  ")[0].removesuffix(".").replace("``", "")


def used(part: str) -> str:
    """The names of what it imports of this package, in words; corpus's parts know each other."""
    names = {found.of for found in imports() if found.is_ours and found.part == part}
    names -= {part, "__init__"}
    if not part.startswith("corpus/"):
        names = {name.partition("/")[0] for name in names}
    return ", ".join(sorted(name.rpartition("/")[2] for name in names))


@functools.cache
def imports() -> tuple[Import, ...]:
    """Those of all files, the standard library's aside."""
    return tuple(found for path in sorted(PACKAGE.rglob("*.py")) for found in imports_of(path))


def imports_of(path: Path) -> Iterator[Import]:
    """Those of a file."""
    tree = ast.parse(path.read_text(encoding="utf-8"))
    late = {
        node
        for function in ast.walk(tree)
        if isinstance(function, ast.FunctionDef | ast.AsyncFunctionDef)
        for node in ast.walk(function)
    }
    for_types = {
        node
        for block in ast.walk(tree)
        if isinstance(block, ast.If) and ast.unparse(block.test) == "TYPE_CHECKING"
        for node in ast.walk(block)
    }
    for node in ast.walk(tree):
        for name in [] if node in for_types else names(node, path):
            of, is_ours = owner(name)
            if is_ours or of not in sys.stdlib_module_names:
                place = path.relative_to(ROOT), getattr(node, "lineno", 0), part_of(path)
                yield Import(*place, name, of, is_ours, node in late)


def names(node: ast.AST, path: Path) -> list[str]:
    """The full names that a statement imports."""
    if isinstance(node, ast.Import):
        return [alias.name for alias in node.names]
    if isinstance(node, ast.ImportFrom):
        package = ".".join(path.relative_to(ROOT).parent.parts)
        module = importlib.util.resolve_name("." * node.level + (node.module or ""), package)
        return [f"{module}.{alias.name}" for alias in node.names]
    return []


def owner(name: str) -> tuple[str, bool]:
    """The part of moe_nmt that a name belongs to, or else its package; and whether it is ours."""
    first, *rest = name.split(".")
    if first != PACKAGE.name:
        return first, False
    path = PACKAGE
    for step in rest:
        if (path / step).is_dir():
            path /= step
        elif path == PACKAGE and path.joinpath(step).with_suffix(".py").exists():
            return step, True
        else:
            break
    return path.relative_to(PACKAGE).as_posix() if path != PACKAGE else "__init__", True
