"""What is read from logs of fairseq-train, and drawn."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest
from commands import run, training

from moe_nmt.cli.inspect import main
from moe_nmt.errors import UserError
from moe_nmt.insight.training_log import read_log

SIMPLE = """2026-12-01 02:52:49 | INFO | train_inner | epoch 001:    400 / 8716 loss=7.52, \
decoder_1_max_over_mean_load=1.136, ppl=183.37, wps=5929.9, num_updates=400, lr=1e-05, gnorm=nan
2026-12-01 02:52:59 | INFO | valid | epoch 001 | valid on 'valid' subset | loss 7.392 | \
decoder_1_max_over_mean_load 2.127 | ppl 156.36 | wps 16031.3 | num_updates 400
"""


def test_the_simple_format(tmp_path: Path) -> None:
    path = tmp_path / "log"
    path.write_text(SIMPLE)
    log = read_log(path)
    figures = log.training[400]
    assert (figures["ppl"], figures["lr"], figures["wps"]) == (183.37, 1e-05, 5929.9)
    assert figures["gnorm"] != figures["gnorm"]  # not a number
    assert log.validation[400]["ppl"] == 156.36
    assert log.mixtures() == ["decoder_1"]


@pytest.mark.parametrize("kind", ["simple", "json"])
def test_a_real_log_is_read_summed_up_and_drawn(
    kind: str, binarised: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    options = ["--max-update", "6", "--log-interval", "2", "--no-save", f"--log-format={kind}"]
    done = run("fairseq-train", *training(binarised, tmp_path / "checkpoints", *options))
    assert done.returncode == 0, done.stderr
    path, plot = tmp_path / f"{kind}.log", tmp_path / "curves.svg"
    path.write_text(done.stdout + done.stderr)
    log = read_log(path)
    assert list(log.training) == [2, 4, 6]
    assert list(log.validation) == [6]
    assert log.mixtures() == ["decoder_1", "encoder_1"]
    assert all(figures["lr"] > 0 and figures["wps"] > 0 for figures in log.training.values())

    main(["--log", str(path), "--plot", str(plot)])
    row = capsys.readouterr().out.splitlines()[1].split()
    assert row[:3] == [str(path), "6", f"{log.validation[6]['ppl']:.2f}"]
    picture = plot.read_bytes()
    assert len(re.findall(rb"<path ", picture)) > 20
    main(["--log", str(path), "--plot", str(plot)])
    assert plot.read_bytes() == picture


def test_what_was_done_twice_counts_once_and_cut_lines_do_not(tmp_path: Path) -> None:
    path = tmp_path / "log"

    def line(updates: int, ppl: float) -> str:
        return f"x | INFO | valid | {json.dumps({'valid_num_updates': updates, 'ppl': ppl})}\n"

    path.write_text(line(20, 5) + line(10, 9) + line(20, 4) + 'x | INFO | valid | {"ppl": "3')
    log = read_log(path)
    assert [(n, f["ppl"]) for n, f in log.validation.items()] == [(10, 9), (20, 4)]


def test_what_is_no_log_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "text"
    path.write_text("nothing\n")
    with pytest.raises(UserError, match="text has no figures of fairseq-train: it needs"):
        read_log(path)
    path.write_text(SIMPLE)
    with pytest.raises(SystemExit, match=r"curves\.doc has to end in \.svg, \.png or another"):
        main(["--log", str(path), "--plot", str(tmp_path / "curves.doc")])
    with pytest.raises(SystemExit, match="is an input too and would be lost"):
        main(["--log", str(path), "--plot", str(path)])


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ([], "name a checkpoint and the data to send through it, or logs by --log"),
        (["checkpoint.pt"], "name a checkpoint and the data"),
        (["--plot", "a.svg"], "--plot draws logs: name them by --log"),
        (["checkpoint.pt", "--log", "log"], "--log is of trainings: leave out the checkpoint"),
    ],
)
def test_options_that_do_not_go_together(
    arguments: list[str], message: str, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit) as stopped:
        main(arguments)
    assert stopped.value.code == 2
    assert message in capsys.readouterr().err
