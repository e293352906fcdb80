"""The programs in the docs run as they are printed, and do what is said of them."""

from __future__ import annotations

import re
from typing import Any

import torch
from commands import ROOT


def program(page: str) -> str:
    """The only Python program of a page."""
    (found,) = re.findall(r"```python\n(.*?)```", (ROOT / page).read_text(encoding="utf-8"), re.S)
    return str(found)


def test_the_layer_in_fifteen_lines_learns_its_task() -> None:
    lines = program("docs/layer.md")
    assert len([line for line in lines.splitlines() if line.strip()]) == 15
    names: dict[str, Any] = {}
    torch.manual_seed(1)
    exec(lines, names)
    assert names["error"] < 0.05
    assert (names["routing"].tokens_per_expert() > 0).all()


def test_the_layer_in_the_readme() -> None:
    names: dict[str, Any] = {}
    exec(program("README.md"), names)
    assert names["y"].shape == (1000, 512)
    assert names["layer"].experts.w_in.grad.any()
