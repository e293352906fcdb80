"""fairseq's way to load a model in Python."""

from __future__ import annotations

import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest
from commands import ROOT

from moe_nmt.errors import UserError
from moe_nmt.models.gnmt_moe import GNMTMoEModel

SHORT = {"max_len_a": 0, "max_len_b": 20}


@pytest.fixture(scope="module")
def hub(checkpoint: Path, binarised: Path) -> Any:
    return GNMTMoEModel.from_pretrained(
        str(checkpoint.parent), checkpoint.name, data_name_or_path=str(binarised)
    )


@pytest.fixture(scope="module")
def lines(corpus: Path) -> list[str]:
    return (corpus / "test.en").read_text(encoding="utf-8").splitlines()[:12]


@pytest.mark.parametrize("before", ["", "import fairseq.models\n"])
def test_it_needs_no_other_import(
    before: str, checkpoint: Path, binarised: Path, hub: Any, lines: list[str]
) -> None:
    program = before + (
        "import sys\n"
        "from moe_nmt.models.gnmt_moe import GNMTMoEModel\n"
        "model = GNMTMoEModel.from_pretrained(*sys.argv[1:4])\n"
        "print(model.translate(sys.argv[4], max_len_b=20))\n"
    )
    arguments = [checkpoint.parent, checkpoint.name, binarised, lines[0]]
    done = subprocess.run(
        [sys.executable, "-c", program, *map(str, arguments)],
        cwd=ROOT,
        capture_output=True,
        text=True,
    )
    assert done.stdout.strip() == hub.translate(lines[0], **SHORT), done.stderr


def test_lists_one_sentence_and_none(hub: Any, lines: list[str]) -> None:
    assert hub.translate([]) == []
    assert hub.translate(["", "  "]) == ["", ""]
    one = hub.translate(lines[0], **SHORT)
    assert isinstance(one, str)
    assert hub.translate([lines[0], "", lines[1]], **SHORT)[:2] == [one, ""]
    assert hub.generate([]) == []


def test_the_search_options_of_the_task_are_taken(hub: Any, lines: list[str]) -> None:
    tokens = [hub.encode(lines[0])]

    def score(**options: object) -> float:
        return float(hub.generate(tokens, **SHORT, **options)[0][0]["score"])

    plain = score(length_penalty_alpha=0.0, coverage_penalty_beta=0.0)
    log_p = hub.generate(tokens, length_penalty_alpha=0.0, coverage_penalty_beta=0.0, **SHORT)
    assert plain == pytest.approx(float(log_p[0][0]["positional_scores"].sum()), abs=1e-3)
    assert score() != pytest.approx(plain, abs=1e-3)
    assert hub.task.cfg.length_penalty_alpha == 0.2  # no call changes another's


def test_options_that_are_none_are_refused(hub: Any, lines: list[str]) -> None:
    with pytest.raises(TypeError, match="no option 'lenght_penalty'"):
        hub.translate(lines, lenght_penalty=1)
    with pytest.raises(UserError, match="--beam must be at least 1, not 0"):
        hub.translate(lines, beam=0)
    with pytest.raises(UserError, match="--lenpen and --unnormalized belong to fairseq's score"):
        hub.translate(lines, lenpen=0.6)


def test_threads_may_share_one(hub: Any, lines: list[str]) -> None:
    def translated(i: int) -> tuple[Any, Any]:
        own = {"length_penalty_alpha": 0.2 * (i % 3), **SHORT}
        return hub.translate(lines[i::4], **own), hub.translate(lines[i::4], beam=1, **SHORT)

    alone = [translated(i) for i in range(4)]
    with ThreadPoolExecutor(4) as pool:
        assert list(pool.map(translated, range(4))) == alone


def test_what_is_missing_is_named(checkpoint: Path, binarised: Path, tmp_path: Path) -> None:
    folder, name, data = str(checkpoint.parent), checkpoint.name, str(binarised)
    for arguments in ((str(tmp_path / "no"), name, data), (folder, name, str(tmp_path / "no"))):
        with pytest.raises(UserError, match=r"no is no folder: name those of the checkpoint"):
            GNMTMoEModel.from_pretrained(*arguments)
    with pytest.raises(UserError, match="has no dictionaries"):
        GNMTMoEModel.from_pretrained(folder, name)
    with pytest.raises(OSError, match=r"no\.pt"):
        GNMTMoEModel.from_pretrained(folder, "no.pt", data)
