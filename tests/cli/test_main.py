"""What all commands have in common, and python -m moe_nmt, which lists them."""

from __future__ import annotations

import re
import subprocess
import sys
from collections.abc import Callable
from importlib.metadata import entry_points
from pathlib import Path

import pytest
from commands import ROOT, usage_error

import moe_nmt
from moe_nmt.__main__ import commands, main
from moe_nmt.errors import UserError
from moe_nmt.files import resources

NAMES = sorted(
    entry.name for entry in entry_points(group="console_scripts") if entry.name[:8] == "moe-nmt-"
)


def command(name: str) -> Callable[..., None]:
    (entry,) = entry_points(group="console_scripts", name=name)
    found: Callable[..., None] = entry.load()
    return found


@pytest.mark.parametrize("name", NAMES)
def test_every_command_knows_its_version(name: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as stop:
        command(name)(["--version"])
    assert stop.value.code == 0
    assert capsys.readouterr().out == f"moe_nmt {moe_nmt.__version__}\n"


def test_all_commands_are_listed(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    assert [name for name, _ in commands()] == NAMES
    assert len(NAMES) == 12
    monkeypatch.setattr(sys, "argv", ["moe_nmt"])
    main()
    told = capsys.readouterr().out
    for name in NAMES:
        assert re.search(rf"^  {name} +\w.*\w$", told, re.MULTILINE), name


@pytest.mark.parametrize(("folder", "file"), [("configs", "gnmt_moe_tiny"), ("data", "wmt14")])
def test_folders_are_named_wherever_one_is(folder: str, file: str, tmp_path: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-m", "moe_nmt", folder], cwd=tmp_path, capture_output=True, text=True
    )
    assert Path(done.stdout.strip(), f"{file}.yaml").is_file()
    assert done.stderr == ""


def test_other_folders_are_refused(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(sys, "argv", ["moe_nmt", "docs"])
    said = usage_error(lambda _: main(), "", capsys)
    assert "choose from configs, data)" in said.replace("'", "")  # newer Pythons quote nothing


def test_a_package_holds_its_folders_and_a_checkout_has_them_beside_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert resources.resources("data") == ROOT / "data"
    package = tmp_path / "moe_nmt"
    monkeypatch.setattr(moe_nmt, "__file__", str(package / "__init__.py"))
    with pytest.raises(UserError, match=r"was installed without its folder data: install it aga"):
        resources.resources("data")
    for folder in (tmp_path / "data", package / "data"):
        folder.mkdir(parents=True)
        (folder / "a.yaml").touch()
        assert resources.resources("data") == folder


# A command, and options that it refuses.
REFUSED = {
    "average": "--output x --last 1 a b",
    "consolidate": "a",
    "inspect": "a",
    "plan": "no_such_architecture",
}


@pytest.mark.parametrize("name", REFUSED)
@pytest.mark.parametrize("options", ["--help", ""])
def test_options_are_read_before_torch_is_imported(name: str, options: str) -> None:
    arguments = (options or REFUSED[name]).split()
    code = f"""import sys
from moe_nmt.cli.{name} import main
try:
    main({arguments})
except SystemExit as stop:
    print(stop.code, sorted({{"torch", "fairseq", "numpy"}} & sys.modules.keys()))
"""
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True, cwd=ROOT
    )
    status = 0 if options else 2
    assert done.stdout.splitlines()[-1] == f"{status} []"
