"""The docs: programs run as they are printed, files that are named exist, the house is today's."""

from __future__ import annotations

import html
import json
import re
import sys
from pathlib import Path
from typing import Any

import pytest
import torch
from commands import ROOT

sys.path.append(str(ROOT / "docs"))

from imports import parts, purpose, used

from moe_nmt.insight.capacity_report import tables

PAGES = [ROOT / "README.md", ROOT / "CONTRIBUTING.md", *sorted(ROOT.glob("docs/*.md"))]


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


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_files_that_are_named_exist(page: Path) -> None:
    text = page.read_text(encoding="utf-8")
    for name in re.findall(r"`([\w./*]+)`", text):
        if re.match("(moe_nmt|scripts|configs|data|docs|tests)/", name) or name.endswith(".py"):
            assert any(ROOT.glob(name)) or any(ROOT.glob(f"moe_nmt/**/{name}")), name
    for name in re.findall(r"\]\(([\w./]+)[#)]", text):
        assert (page.parent / name).exists(), name


def test_the_picture_of_the_house_is_todays() -> None:
    words = " ".join(re.findall(r"<text[^>]*>([^<]*)", (ROOT / "docs/house.svg").read_text()))
    for part in set(parts()) - {"__init__", "__main__", "corpus"}:
        sentence = f"{part} {purpose(part)} " + (f"imports {used(part)} " if used(part) else "")
        assert sentence in html.unescape(words), "run python docs/draw_house.py"


@pytest.mark.parametrize("task", ["language", "translation"])
def test_the_results_are_those_that_were_recorded(task: str) -> None:
    records = json.loads((ROOT / "docs" / "results" / f"{task}.json").read_text(encoding="utf-8"))
    page = (ROOT / "docs" / "results.md").read_text(encoding="utf-8")
    assert tables(records) in page, "run python docs/draw_results.py and copy its tables"
    assert f"(capacity_{task}.svg)" in page
