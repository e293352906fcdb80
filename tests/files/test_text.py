from pathlib import Path

import pytest

from moe_nmt.errors import UserError
from moe_nmt.files.text import (
    check_same_count,
    count_lines,
    read_lines,
    read_text,
    write_lines,
    written_whole,
)


def test_only_a_newline_ends_a_line(tmp_path: Path) -> None:
    text = "a\rb\vc\fd\u0085e\u2028f\u2029g\r\nh\n\ni"
    path = tmp_path / "text"
    path.write_bytes(text.encode())
    assert [line.decode() for line in read_lines(path)] == text.split("\n")
    assert next(read_text(path)) == "a\rb\vc\fd\u0085e\u2028f\u2029g\r"
    assert count_lines(path) == 4


def test_writing_counts_and_ends_every_line(tmp_path: Path) -> None:
    path = tmp_path / "new" / "text"
    assert write_lines(path, ["ä", "", "b"]) == 3
    assert path.read_bytes() == "ä\n\nb\n".encode()
    assert [file.name for file in path.parent.iterdir()] == ["text"]


def test_a_failure_leaves_the_old_file(tmp_path: Path) -> None:
    path = tmp_path / "text"
    path.write_text("old")

    def fails() -> None:
        with written_whole(path) as temporary:
            temporary.write_text("new")
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        fails()
    assert path.read_text() == "old"
    assert [file.name for file in tmp_path.iterdir()] == ["text"]


def test_counts_that_differ_stop_with_files_and_counts(tmp_path: Path) -> None:
    one, other = tmp_path / "train.en", tmp_path / "train.de"
    one.write_text("a\nb\n")
    other.write_text("a\u2028b\n", encoding="utf-8")
    assert check_same_count([one, one], "never") == 2
    with pytest.raises(UserError, match=r"train.en has 2 lines but .*train.de has 1: get both$"):
        check_same_count([one, other], "get both")


def test_errors_name_file_and_line(tmp_path: Path) -> None:
    path = tmp_path / "latin1"
    path.write_bytes(b"good\nsch\xf6n\n")
    with pytest.raises(UserError, match=r"line 2 of .*latin1 is not UTF-8"):
        list(read_text(path))
    with pytest.raises(UserError, match=r"cannot read .*absent: No such file"):
        list(read_lines(tmp_path / "absent"))
    with pytest.raises(UserError, match=r"cannot write .*latin1/below"):
        write_lines(path / "below", [])
