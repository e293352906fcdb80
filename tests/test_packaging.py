"""The package's metadata, and what make says where an installation cannot begin."""

import ast
import hashlib
import importlib
import importlib.metadata
import os
import re
import shutil
import subprocess
import sys
import zipfile
from base64 import urlsafe_b64encode
from pathlib import Path

import pytest

import moe_nmt

ROOT = Path(__file__).parent.parent
SCRIPTS = [
    *("moe-nmt-average", "moe-nmt-consolidate", "moe-nmt-extend", "moe-nmt-inspect"),
    *("moe-nmt-pack", "moe-nmt-plan", "moe-nmt-prepare", "moe-nmt-score", "moe-nmt-serve"),
    *("moe-nmt-subword", "moe-nmt-translate", "moe-nmt-tune"),
]


READ_BY_INSTALL = ["install.sh", "environment.sh", "build_backend.py"]
ANOTHER = "name a Python 3.11, 3.12 or 3.13 with PYTHON=/path/to/python3."


@pytest.fixture
def checkout(tmp_path: Path) -> Path:
    """Copy what ``make install`` reads to a folder that has no .venv."""
    (tmp_path / "scripts").mkdir()
    for name in ["Makefile", "setup.py", *(f"scripts/{name}" for name in READ_BY_INSTALL)]:
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


def programs(folder: Path, *names: str) -> Path:
    """Make a folder for PATH that holds the programs an install needs first, and no compiler."""
    folder.mkdir()
    for name in ["bash", "sh", "cat", "dirname", "basename", "grep", *names]:
        target = shutil.which(name)
        assert target is not None
        (folder / name).symlink_to(target)
    return folder


def pretend_python(path: Path, version: str) -> Path:
    """Make a Python that compares its version, and is otherwise the one that runs the tests."""
    numbers = version.replace(".", ", ")
    path.write_text(
        f"""#!/bin/sh
[ "$1" = -V ] && echo "Python {version}" && exit
exec {sys.executable} -c "import sys, sysconfig; sys.version_info = ({numbers}); $2"
"""
    )
    path.chmod(0o755)
    return path


def test_a_missing_python_is_named(checkout: Path) -> None:
    assert refusal(checkout, "PYTHON=no-such-python") == (
        "install: no-such-python was not found: "
        "install Python 3.11, 3.12 or 3.13, or name yours with PYTHON=/path/to/python3."
    )


@pytest.mark.parametrize(
    ("version", "why"),
    [
        ("3.8.18", "too old"),
        ("3.10.2", "too old"),
        ("3.14.0", "too new for fairseq and hydra, which fail on how it prints types and help"),
    ],
)
def test_a_python_of_another_age_is_refused(version: str, why: str, checkout: Path) -> None:
    python = pretend_python(checkout / "python", version)
    assert refusal(checkout, f"PYTHON={python}") == f"install: Python {version} is {why}: {ANOTHER}"


def test_the_newest_python_that_runs_is_taken(checkout: Path) -> None:
    path = programs(checkout / "bin")
    (path / "python3.13").write_text("#!/bin/sh\nexit 127\n")  # as pyenv's of other versions
    pretend_python(path / "python3", "3.14.0")
    (path / "python3.13").chmod(0o755)
    assert "Python 3.14.0 is too new" in refusal(checkout, path=str(path))
    pretend_python(path / "python3.12", "3.12.1")
    pretend_python(path / "python3.11", "3.11.0")
    source = ". scripts/environment.sh; find_python; echo $python"
    done = subprocess.run(
        ["bash", "-c", source],
        cwd=checkout,
        env={"PATH": str(path)},
        capture_output=True,
        text=True,
    )
    assert (done.stdout, done.stderr) == ("python3.12\n", "")


def test_a_missing_compiler_is_named(checkout: Path) -> None:
    path = programs(checkout / "bin")
    assert refusal(checkout, f"PYTHON={sys.executable}", path=str(path)) == (
        "install: the C++ compiler c++ was not found: "
        "install one (g++ on Debian), or name yours with CXX=."
    )


def test_make_alone_lists_every_target(checkout: Path) -> None:
    lines = make(checkout).stdout.splitlines()
    listed = [line.split()[1] for line in lines if line.startswith("  make ")]
    assert listed == [
        *("help", "install", "demo", "test", "test-slow", "test-wheel", "lint", "format", "clean"),
    ]


def test_a_finished_environment_is_kept_until_another_torch_or_place(checkout: Path) -> None:
    (checkout / ".venv").mkdir()
    (checkout / ".venv/.installed").write_text("torch==2.13.0\n")

    def is_done(*arguments: str) -> bool:
        return make(checkout, "-q", "install", *arguments).returncode == 0

    assert is_done()
    (checkout / ".venv/pyvenv.cfg").write_text(f"command = python3 -m venv {checkout}/.venv\n")
    assert is_done()
    assert is_done("TORCH=torch==2.13.0")
    assert not is_done("TORCH=torch==2.15.0")
    (checkout / ".venv/pyvenv.cfg").write_text("command = python3 -m venv /where/it/was/.venv\n")
    assert not is_done()
    (checkout / ".venv/pyvenv.cfg").unlink()
    assert is_done()
    (checkout / ".venv/.installed").unlink()
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


# comet: the package unbabel-comet needs numpy < 2, so that nobody could install it with ours.
NOT_DECLARED = {"comet"}
DISTRIBUTIONS = {
    "fairseq": "fairseq-fixed",
    "hydra": "hydra-core",
    "yaml": "pyyaml",
}
FOR_DEVELOPERS = {"dev"}  # extras of tests, scripts and docs


def imported() -> set[str]:
    """What the files of the package import, not counting Python's own and themselves."""
    names: set[str] = set()
    for path in (ROOT / "moe_nmt").rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Import):
                names |= {alias.name.partition(".")[0] for alias in node.names}
            elif isinstance(node, ast.ImportFrom):
                names.add(str(node.module).partition(".")[0])
    return names - sys.stdlib_module_names - {"moe_nmt"}


def test_what_is_imported_is_declared_and_nothing_else() -> None:
    requirements = importlib.metadata.requires("moe_nmt")
    assert requirements is not None
    declared = {
        re.split(r"[^\w-]", requirement)[0].replace("-", "_").lower()
        for requirement in requirements
        if not any(f'extra == "{extra}"' in requirement for extra in FOR_DEVELOPERS)
    }
    names = imported() - NOT_DECLARED
    assert declared == {DISTRIBUTIONS.get(name, name).replace("-", "_") for name in names}


def test_fairseq_finds_the_plugin_from_any_folder(tmp_path: Path) -> None:
    code = """from argparse import Namespace
from fairseq.tasks import TASK_REGISTRY
from fairseq.utils import import_user_module
import_user_module(Namespace(user_dir="moe_nmt"))
assert "expert_parallel_translation" in TASK_REGISTRY
import moe_nmt
print(moe_nmt.__file__)
"""
    done = subprocess.run(
        [sys.executable, "-W", "ignore", "-c", code], cwd=tmp_path, capture_output=True, text=True
    )
    assert done.stdout == f"{ROOT / 'moe_nmt/__init__.py'}\n", done.stderr


def test_an_editable_wheel_lists_all_that_it_holds(tmp_path: Path) -> None:
    code = "import sys, build_backend; print(build_backend.build_editable(sys.argv[1]))"
    done = subprocess.run(
        [sys.executable, "-c", code, str(tmp_path)],
        cwd=ROOT,
        env={**os.environ, "PYTHONPATH": str(ROOT / "scripts")},
        capture_output=True,
        text=True,
        check=True,
    )
    with zipfile.ZipFile(tmp_path / done.stdout.splitlines()[-1]) as wheel:
        (record,) = (name for name in wheel.namelist() if name.endswith(".dist-info/RECORD"))
        rows = [line.split(",") for line in wheel.read(record).decode().splitlines()]
        assert sorted(name for name, *_ in rows) == sorted(wheel.namelist())
        for name, digest, size in rows:
            if name != record:
                found = urlsafe_b64encode(hashlib.sha256(wheel.read(name)).digest()).decode()
                assert (f"sha256={found.rstrip('=')}", len(wheel.read(name))) == (digest, int(size))
