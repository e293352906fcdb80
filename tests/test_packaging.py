"""The package's metadata, and what make says where an installation cannot begin."""

import importlib
import importlib.metadata
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

import moe_nmt

ROOT = Path(__file__).parent.parent
SCRIPTS = [
    *("moe-nmt-average", "moe-nmt-consolidate", "moe-nmt-inspect", "moe-nmt-plan"),
    *("moe-nmt-prepare", "moe-nmt-score", "moe-nmt-subword", "moe-nmt-tune"),
]


@pytest.fixture
def checkout(tmp_path: Path) -> Path:
    """Copy what ``make install`` reads to a folder that has no .venv."""
    (tmp_path / "scripts").mkdir()
    for name in ["Makefile", "setup.py", "scripts/install.sh"]:
        shutil.copy(ROOT / name, tmp_path / name)
    return tmp_path


def make(
    checkout: Path, *arguments: str, path: str = os.environ["PATH"]
) -> subprocess.CompletedProcess[str]:
    """Run make in ``checkout``, with ``path`` and nothing else of this test run's environment."""
    program = shutil.which("make")
    assert program is not None
    return subprocess.run(
        [program, *arguments], cwd=checkout, env={"PATH": path}, capture_output=True, text=True
    )


def refusal(checkout: Path, *arguments: str, path: str = os.environ["PATH"]) -> str:
    """Run ``make install``, which must fail before anything is built; return what it says."""
    done = make(checkout, "install", *arguments, path=path)
    assert done.returncode == 2
    assert not (checkout / ".venv").exists()
    sentence, made = done.stderr.splitlines()
    assert made.startswith("make: ***")
    return sentence


def programs(folder: Path) -> Path:
    """Make a folder for PATH that holds the programs an install needs first, and no compiler."""
    folder.mkdir()
    for name in ["bash", "sh", "cat", "dirname", "grep"]:
        target = shutil.which(name)
        assert target is not None
        (folder / name).symlink_to(target)
    return folder


def test_a_missing_python_is_named(checkout: Path) -> None:
    assert refusal(checkout, "PYTHON=no-such-python") == (
        "install: no-such-python was not found: "
        "install Python 3.11 or newer, or name yours with PYTHON=/path/to/python3."
    )


def test_an_old_python_is_refused(checkout: Path) -> None:
    old = checkout / "old-python"
    old.write_text('#!/bin/sh\n[ "$1" = -V ] && echo "Python 3.8.18"\nexit 1\n')
    old.chmod(0o755)
    assert refusal(checkout, f"PYTHON={old}") == (
        "install: Python 3.8.18 is too old: "
        "name a Python 3.11 or newer with PYTHON=/path/to/python3."
    )


def test_a_missing_compiler_is_named(checkout: Path) -> None:
    path = programs(checkout / "bin")
    assert refusal(checkout, f"PYTHON={sys.executable}", path=str(path)) == (
        "install: the C++ compiler c++ was not found: "
        "install one (g++ on Debian), or name yours with CXX=."
    )


def test_make_alone_lists_every_target(checkout: Path) -> None:
    lines = make(checkout).stdout.splitlines()
    listed = [line.split()[1] for line in lines if line.startswith("  make ")]
    assert listed == ["help", "install", "demo", "test", "test-slow", "lint", "format", "clean"]


def test_a_finished_environment_is_kept_until_another_torch_is_asked_for(checkout: Path) -> None:
    (checkout / ".venv").mkdir()
    (checkout / ".venv" / ".installed").write_text("torch==2.11.0\n")

    def is_done(*arguments: str) -> bool:
        return make(checkout, "-q", "install", *arguments).returncode == 0

    assert is_done()
    assert is_done("TORCH=torch==2.11.0")
    assert not is_done("TORCH=torch==2.13.0")
    (checkout / ".venv" / ".installed").unlink()
    assert not is_done()


def test_version_has_one_source() -> None:
    printed = subprocess.run(
        [sys.executable, "setup.py", "--version"],
        cwd=ROOT,
        check=True,
        capture_output=True,
        text=True,
    )
    assert printed.stdout.split()[-1] == moe_nmt.__version__ == "0.1.0"
    assert importlib.metadata.version("moe_nmt") == moe_nmt.__version__


def test_console_scripts_are_listed() -> None:
    entries = importlib.metadata.distribution("moe_nmt").entry_points
    assert sorted(entry.name for entry in entries) == SCRIPTS


@pytest.mark.parametrize("name", SCRIPTS)
def test_console_script_can_be_imported(name: str) -> None:
    (entry,) = importlib.metadata.entry_points(group="console_scripts", name=name)
    module = importlib.import_module(entry.module)
    assert callable(getattr(module, entry.attr))
