"""The benchmark of memory reads what the system and fairseq's log say."""

from __future__ import annotations

import importlib.util
import json
import os
from pathlib import Path
from types import ModuleType

import pytest
from commands import ROOT

from moe_nmt.errors import UserError

LOG = """INFO | fairseq_cli.train | num. shared model params: 1,234 (num. trained: 1,234)
INFO | fairseq_cli.train | num. expert model params: 10,000 (num. trained: 10,000)
INFO | train_inner | {"epoch": 1, "loss": "9.1", "wps": "0", "wpb": "80", "ups": "0"}
INFO | train_inner | {"epoch": 1, "loss": "9.0", "wps": "100", "wpb": "80"}
INFO | train_inner | {"epoch": 1, "loss": "9.0", "wps": "300", "wpb": "90"}
INFO | train_inner | {"epoch": 1, "loss": "8.9", "wps": "200", "wpb": "85"}
"""


@pytest.fixture(scope="module")
def benchmark() -> ModuleType:
    path = ROOT / "scripts" / "benchmark_memory.py"
    spec = importlib.util.spec_from_file_location("benchmark_memory", path)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_speed_is_the_median_of_all_updates_but_the_first(benchmark: ModuleType) -> None:
    figures = benchmark.speed(LOG)
    assert figures == {
        "parameters": 11234,
        "words_per_second": 200.0,
        "words_per_batch": 85.0,
        "updates": 4,
    }
    row = benchmark.table([{"name": "a", "peak": 5_000_000_000, **figures}]).splitlines()[-1]
    cells = [cell.strip() for cell in row.strip("|").split("|")]
    assert cells == ["a", "0", "5.00", "445077.4", "0.4", "200"]


def test_a_run_without_updates_is_refused(benchmark: ModuleType) -> None:
    with pytest.raises(UserError, match="no update was timed: ask for more --updates"):
        benchmark.speed("\n".join(LOG.splitlines()[:2]))


def test_resident_memory_is_read_from_the_system(benchmark: ModuleType) -> None:
    statm = Path(f"/proc/{os.getpid()}/statm")
    before = benchmark.resident(statm)
    block = bytearray(os.urandom(1 << 20) * 200)
    assert benchmark.resident(statm) - before > 0.9 * len(block)
    assert benchmark.resident(Path("/proc/0/statm")) == 0


def test_figures_of_another_command_are_not_mixed(
    benchmark: ModuleType, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    name = next(iter(benchmark.RUNS))
    (tmp_path / "dict.txt").write_text("a 1\n")
    (tmp_path / f"{name}.json").write_text(json.dumps({"command": "other"}))
    line = ["benchmark_memory", str(tmp_path), "--out", str(tmp_path), "--runs", name]
    monkeypatch.setattr("sys.argv", line)
    with pytest.raises(SystemExit) as stop:
        benchmark.main()
    assert stop.value.code == 2
