import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest
from commands import heed_interrupts

from moe_nmt.cli.stage import main

Run = Callable[..., str]


@pytest.fixture
def stage(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> Run:
    """Runs ``sh -c COMMAND`` as a stage that reads ``in`` and writes ``out``."""
    monkeypatch.chdir(tmp_path)
    Path("in").write_text("1")

    def run(command: str, *options: str) -> str:
        main(["s", "--inputs", "in", "--outputs", "out", *options, "--run", "sh", "-c", command])
        return capfd.readouterr().out

    return run


COUNT = "echo x >> times; cp in out"


def times() -> int:
    return len(Path("times").read_text().split())


def test_done_once(stage: Run) -> None:
    assert re.fullmatch(r"\[s\] running\n\[s\] done in \d+ s\n", stage(COUNT))
    assert stage(COUNT) == "[s] up to date, skipped\n"
    assert times() == 1


def test_done_again_when_something_changed(stage: Run) -> None:
    stage(COUNT)
    Path("in").write_text("2")
    assert stage(COUNT).startswith("[s] changed: in; running again\n")
    assert Path("out").read_text() == "2"
    assert "[s] changed: the command; running again\n" in stage(COUNT + " ")
    Path("out").unlink()
    assert stage(COUNT + " ").startswith("[s] out is missing, running again\n")
    assert times() == 4


def test_a_failure_is_no_success(stage: Run) -> None:
    with pytest.raises(SystemExit, match="stage s failed with exit status 3: mend the cause"):
        stage("echo half > out; exit 3")
    with pytest.raises(SystemExit, match="stage s ended well but did not write out"):
        stage("true")
    assert "running" in stage(COUNT)
    assert Path("out").read_text() == "1"


def test_an_interrupted_stage_starts_clean(stage: Run) -> None:
    command = "test ! -e out || exit 9; touch out; test -e ready"
    with pytest.raises(SystemExit, match="exit status 1"):
        stage(command)
    Path("ready").touch()
    assert "[s] was interrupted, running again\n" in stage(command)


def test_a_resumable_one_goes_on(stage: Run) -> None:
    with pytest.raises(SystemExit, match="exit status 1"):
        stage("echo x >> out; test -e ready", "--resumable")
    Path("ready").touch()
    said = stage("echo x >> out; test -e ready", "--resumable")
    assert "[s] was interrupted, going on\n" in said
    assert Path("out").read_text() == "x\nx\n"


def test_outputs_of_other_options_are_set_aside_and_found_again(stage: Run) -> None:
    stage("mkdir -p out; touch out/one", "--resumable")
    assert "set out of other inputs or options aside as out." in stage(
        "mkdir -p out; touch out/two", "--resumable"
    )
    assert [path.name for path in Path("out").iterdir()] == ["two"]
    said = stage("mkdir -p out; touch out/one", "--resumable")
    assert "[s] went back to out." in said
    assert [path.name for path in Path("out").iterdir()] == ["one"]
    assert len(list(Path().glob("out.*"))) == 1


def test_what_others_made_is_not_touched(stage: Run) -> None:
    Path("out").write_text("precious")
    with pytest.raises(SystemExit, match="out exists but this recipe did not make it"):
        stage(COUNT)
    assert Path("out").read_text() == "precious"


def test_missing_inputs_and_commands(stage: Run) -> None:
    with pytest.raises(SystemExit, match="cannot run no-such-command: No such file"):
        main(["s", "--outputs", "out", "--run", "no-such-command"])
    Path("in").unlink()
    with pytest.raises(SystemExit, match="in, which stage s reads, is missing"):
        stage(COUNT)


def test_standard_output_is_kept_when_all_went_well(stage: Run) -> None:
    with pytest.raises(SystemExit, match="exit status 1"):
        stage("echo half; touch out; false", "--stdout", "said")
    assert not Path("said").exists()
    stage("echo all; touch out", "--stdout", "said")
    assert Path("said").read_text() == "all\n"


def test_the_checkout_may_move(stage: Run) -> None:
    stage("echo {checkout}/moe_nmt > out")
    folder = Path(Path("out").read_text().strip())
    assert (folder / "files" / "stages.py").is_file()


def test_an_interrupt_waits_for_the_command(tmp_path: Path) -> None:
    command = "trap 'echo saved > out; exit 1' INT; touch ready; while true; do sleep 0.05; done"
    arguments = ["s", "--outputs", "out", "--run", "bash", "-c", command]
    process = subprocess.Popen(
        [sys.executable, "-m", "moe_nmt.cli.stage", *arguments],
        cwd=tmp_path,
        env={**os.environ, "PYTHONPATH": str(Path(__file__).parents[2])},
        stdout=subprocess.PIPE,
        text=True,
        start_new_session=True,
        preexec_fn=heed_interrupts,
    )
    while not (tmp_path / "ready").exists():
        time.sleep(0.02)
    os.killpg(process.pid, signal.SIGINT)
    said, _ = process.communicate(timeout=20)
    assert process.returncode == 130
    assert said.endswith("[s] interrupted: run the same command again to go on\n")
    assert (tmp_path / "out").read_text() == "saved\n"
