import shutil
from argparse import Namespace
from pathlib import Path

import pytest
import torch
from torch import Tensor

from moe_nmt.checkpoints.choice import best, between, last
from moe_nmt.checkpoints.reading import allow_fairseq_types
from moe_nmt.cli.average import main
from moe_nmt.errors import UserError


def save(path: Path, number: int, **model: Tensor) -> Path:
    """A checkpoint like fairseq's."""
    state = {
        "args": None,
        "cfg": {"model": Namespace(arch="gnmt_moe", number=number)},
        "model": model,
        "optimizer_history": [{"num_updates": 100 * number}],
        "task_state": {"source_words": "4 words"},
        "extra_state": {"train_iterator": {"epoch": number}},
        "last_optimizer_state": {"state": torch.zeros(1000)},
    }
    torch.save(state, path)
    return path


def weights(*values: float) -> dict[str, Tensor]:
    return {
        "weight": torch.tensor(values),
        "half": torch.tensor(values, dtype=torch.bfloat16),
        "count": torch.tensor(int(values[0])),
    }


@pytest.fixture
def checkpoints(tmp_path: Path) -> Path:
    """Three of epochs, 9, 10 and 11, and their company."""
    for number, values in ((9, (1.0, 1e8)), (10, (2.0, 1.0)), (11, (6.0, -1e8))):
        save(tmp_path / f"checkpoint{number}.pt", number, **weights(*values))
    save(tmp_path / "checkpoint_best.pt", 0, **weights(100.0, 100.0))
    save(tmp_path / "checkpoint_last.pt", 0, **weights(100.0, 100.0))
    return tmp_path


def load(path: Path) -> dict[str, object]:
    allow_fairseq_types()
    state: dict[str, object] = torch.load(path, weights_only=True)
    return state


def test_the_mean_in_float64_and_the_rest_of_the_last(checkpoints: Path) -> None:
    names = [checkpoints / f"checkpoint{number}.pt" for number in (9, 10, 11)]
    main(["--output", str(checkpoints / "average.pt"), *map(str, names)])
    state = load(checkpoints / "average.pt")
    model = state["model"]
    assert isinstance(model, dict)
    # In float32 the second sum would lose its 1.0 next to 1e8.
    torch.testing.assert_close(model["weight"], torch.tensor([3.0, 1 / 3]), rtol=0, atol=1e-7)
    assert model["half"].dtype == torch.bfloat16
    assert model["half"][0] == 3.0
    assert model["count"].dtype == torch.int64
    assert model["count"] == 6
    assert state["cfg"] == {"model": Namespace(arch="gnmt_moe", number=11)}
    assert state["task_state"] == {"source_words": "4 words"}
    assert state["optimizer_history"] == [{"num_updates": 1100}]
    assert "last_optimizer_state" not in state


def test_last_takes_the_highest_numbers(
    checkpoints: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    output = checkpoints / "average.pt"
    main(["--output", str(output), "--last", "2", str(checkpoints)])
    model = load(output)["model"]
    assert isinstance(model, dict)
    assert model["weight"][0] == 4.0
    said = capsys.readouterr().out
    assert said.startswith(f"averaged {checkpoints}/checkpoint10.pt, {checkpoints}/checkpoint11.pt")


def test_update_checkpoints_go_by_update(checkpoints: Path, tmp_path: Path) -> None:
    for name in ("checkpoint_9_900.pt", "checkpoint_10_1000.pt", "checkpoint_1_99.pt"):
        save(tmp_path / name, 1, **weights(1.0))
    names = [path.name for path in last(tmp_path, 2, "update")]
    assert names == ["checkpoint_9_900.pt", "checkpoint_10_1000.pt"]
    assert last(tmp_path, 1, "epoch")[0].name == "checkpoint11.pt"
    with pytest.raises(UserError, match="choose with --kind epoch or --kind update"):
        last(tmp_path, 1, None)
    for path in tmp_path.glob("checkpoint[0-9]*.pt"):
        path.unlink()
    assert last(tmp_path, 1, None)[0].name == "checkpoint_10_1000.pt"


def validated(
    path: Path, update: int, value: float | None, maximize: bool = False, **model: Tensor
) -> Path:
    """A checkpoint like fairseq's after a validation."""
    choice = {"checkpoint": {"maximize_best_checkpoint_metric": maximize}}
    extra = {} if value is None else {"val_loss": value}
    history = [{"num_updates": update}]
    state = {"cfg": choice, "extra_state": extra, "optimizer_history": history}
    state["model"] = model or {"weight": torch.zeros(1)}
    torch.save(state, path)
    return path


@pytest.mark.parametrize(("maximize", "chosen"), [(False, [2, 5]), (True, [1, 4])])
def test_best_takes_those_that_validated_best(
    maximize: bool, chosen: list[int], tmp_path: Path
) -> None:
    for number, value in enumerate([9.0, 3.0, 5.0, 10.0, 3.5, None], start=1):
        validated(tmp_path / f"checkpoint{number}.pt", 100 * number, value, maximize)
    for copy in ("checkpoint_best.pt", "checkpoint_last.pt"):
        validated(tmp_path / copy, 999, 100.0 if maximize else 0.0, maximize)
    assert best(tmp_path, 2) == [tmp_path / f"checkpoint{number}.pt" for number in chosen]


def test_best_of_checkpoints_that_do_not_tell(tmp_path: Path) -> None:
    model = {"x": torch.zeros(1)}
    torch.save({"model": model, "extra_state": None}, tmp_path / "checkpoint1.pt")
    with pytest.raises(UserError, match="has 0 validated checkpoints"):
        best(tmp_path, 1)
    torch.save({"model": model, "extra_state": {"val_loss": 1.0}}, tmp_path / "checkpoint2.pt")
    with pytest.raises(UserError, match=r"checkpoint2\.pt does not tell its metric"):
        best(tmp_path, 1)


def test_best_takes_a_checkpoint_under_two_names_once(tmp_path: Path) -> None:
    validated(tmp_path / "checkpoint3.pt", 300, 2.0)
    validated(tmp_path / "checkpoint4.pt", 400, 2.0)
    kept = validated(tmp_path / "checkpoint.best_loss_1.9990.pt", 200, 1.999)
    validated(tmp_path / "checkpoint2.pt", 200, 1.999)
    torch.save(
        {"model": {"x": torch.zeros(1)}}, tmp_path / "checkpoint5.pt"
    )  # nobody knows how good
    assert best(tmp_path, 2) == [kept, tmp_path / "checkpoint3.pt"]  # the earlier of the equal
    with pytest.raises(UserError) as stop:
        best(tmp_path, 4)
    assert str(stop.value) == (
        f"{tmp_path} has 3 validated checkpoints, fewer than --best 4: "
        "ask for fewer, or train with --keep-best-checkpoints 4"
    )


def test_best_reads_what_fairseq_saved(checkpoint: Path, tmp_path: Path) -> None:
    allow_fairseq_types()
    saved = shutil.copy(checkpoint, tmp_path / "checkpoint1.pt")
    assert best(tmp_path, 1) == [saved]


def test_between_takes_both_ends(checkpoints: Path) -> None:
    names = [path.name for path in between(checkpoints, 9, 10, None)]
    assert names == ["checkpoint9.pt", "checkpoint10.pt"]
    with pytest.raises(UserError, match=r"^--between 11 9: the smaller number com"):
        between(checkpoints, 11, 9, None)
    for first, final in ((8, 10), (9, 12)):
        with pytest.raises(UserError) as stop:
            between(checkpoints, first, final, None)
        assert str(stop.value) == (
            f"{checkpoints} lacks the checkpoint of epoch {first} or {final}: it has 9, 10, 11"
        )


def test_best_and_between_from_the_command_line(checkpoints: Path) -> None:
    output = checkpoints / "average.pt"

    def averaged(*options: object) -> float:
        main(["--output", str(output), *map(str, options), str(checkpoints)])
        model = load(output)["model"]
        assert isinstance(model, dict)
        return float(model["weight"][0])

    assert averaged("--between", 10, 11) == 4.0
    for number, value in ((9, 1.0), (10, 3.0), (11, 2.0)):
        path = checkpoints / f"checkpoint{number}.pt"
        validated(path, number, value, weight=torch.tensor([float(number)]))
    assert averaged("--best", 2) == 10.0


def test_mistakes_are_one_sentence_and_write_nothing(checkpoints: Path) -> None:
    output = checkpoints / "average.pt"

    def refused(*arguments: object) -> str:
        with pytest.raises(SystemExit) as stop:
            main(["--output", str(output), *map(str, arguments)])
        assert not output.exists()
        return str(stop.value.code)

    first = checkpoints / "checkpoint9.pt"
    assert refused("--last", 4, checkpoints) == (
        f"moe_nmt: {checkpoints} has 3 epoch checkpoints, fewer than --last 4: "
        "ask for fewer, or train with --keep-last-epochs 4 or more"
    )
    assert "--last must be at least 1, not 0" in refused("--last", 0, checkpoints)
    assert f"{first} is no folder of checkpoints" in refused("--last", 1, first)
    assert refused("--last", 1, checkpoints, checkpoints) == "2"
    assert refused("--kind", "epoch", first) == "2"
    assert refused("--kind", "epoch", "--best", 1, checkpoints) == "2"
    assert refused("--last", 1, "--best", 1, checkpoints) == "2"
    assert "--best must be at least 1, not 0" in refused("--best", 0, checkpoints)
    assert f"{checkpoints} is a folder: name checkpoints" in refused(checkpoints)
    assert f"{checkpoints}/no.pt does not exist" in refused(first, checkpoints / "no.pt")
    cut = checkpoints / "cut.pt"
    cut.write_bytes(first.read_bytes()[:-100])
    assert f"{cut} is not a whole checkpoint" in refused(first, cut)
    other = save(checkpoints / "other.pt", 1, **weights(1.0, 2.0, 3.0))
    assert refused(first, other) == (
        f"moe_nmt: {first} and {other} are not of the same model: half is (2,) in the first "
        "and (3,) in the second; average checkpoints of one training"
    )
    more = save(checkpoints / "more.pt", 1, **weights(1.0, 2.0), extra=torch.zeros(1))
    assert "extra is absent in the first and (1,) in the second" in refused(first, more)
    for state in ({"weight": torch.zeros(1)}, {"model": 5}, {"model": {"a": "x"}}):
        torch.save(state, other)
        assert f"{other} is no fairseq checkpoint: it holds no model" in refused(other)
    for state in (torch.ones(3), "model", [1], {"model": {}}):
        torch.save(state, other)
        assert f"{other} is no fairseq checkpoint: it holds no model" in refused(other)


def test_what_would_count_twice_or_be_lost_is_refused(
    checkpoint: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    copy = shutil.copy(checkpoint, tmp_path / "copy.pt")
    with pytest.raises(SystemExit, match="is named twice: it would count twice in the mean"):
        main([str(copy), str(copy), "--output", str(tmp_path / "out.pt")])
    spelled = tmp_path / ".." / tmp_path.name / "copy.pt"
    with pytest.raises(SystemExit, match="is named twice: it would count twice in the mean"):
        main([str(copy), str(spelled), "--output", str(tmp_path / "out.pt")])
    with pytest.raises(SystemExit) as stop:
        main([str(copy), "--output", str(copy)])
    assert stop.value.code == 2
    assert "is one of the checkpoints: name another file" in capsys.readouterr().err
    with pytest.raises(SystemExit, match="cannot write /dev/full: is the disk full"):
        main([str(copy), "--output", "/dev/full"])
    with pytest.raises(SystemExit, match="it is a folder; name a file"):
        main([str(copy), "--output", str(tmp_path)])
    assert [path.name for path in tmp_path.iterdir()] == ["copy.pt"]
