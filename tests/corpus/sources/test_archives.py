"""Members of archives: found, whole, decompressed, counted; and what is refused."""

from __future__ import annotations

import gzip
import io
import tarfile
from contextlib import suppress
from pathlib import Path

import pytest
from miniature_wmt import tar

from moe_nmt.corpus.sources.archives import extract, quoted_count
from moe_nmt.corpus.sources.download import Checksum
from moe_nmt.corpus.sources.registry import Corpus
from moe_nmt.errors import UserError

TEXT = b"one\rmore\ntwo\nthree"


def outputs(folder: Path, *members: str) -> dict[str, Path]:
    return {member: folder / Path(member).name.removesuffix(".gz") for member in members}


@pytest.fixture
def archive(tmp_path: Path) -> Path:
    """A compressed archive with members that nobody asked for."""
    path = tmp_path / "archive.tgz"
    members = {"README": b"x" * 100_000, "./a/b.en": TEXT, "b.fr.gz": gzip.compress(TEXT), "c": b""}
    path.write_bytes(gzip.compress(tar(members)))
    return path


def test_members_are_found_decompressed_and_counted(archive: Path, tmp_path: Path) -> None:
    found = extract(archive, outputs(tmp_path / "out", "a/b.en", "b.fr.gz"))
    assert found == {"a/b.en": 3, "b.fr.gz": 3}
    assert (tmp_path / "out/b.en").read_bytes() == TEXT
    assert (tmp_path / "out/b.fr").read_bytes() == TEXT
    assert len(list((tmp_path / "out").iterdir())) == 2


def test_a_missing_member_is_named(archive: Path, tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"archive.tgz has no member b.de, b.es$"):
        extract(archive, outputs(tmp_path / "out", "b.es", "a/b.en", "b.de"))


@pytest.mark.parametrize("compressed", [True, False])
def test_a_truncated_archive_is_never_taken_for_complete(compressed: bool, tmp_path: Path) -> None:
    """Wherever it ends; also where tarfile alone would see the end of a shorter archive."""
    whole = tar({"first": TEXT * 200, "second": TEXT * 100, "third": b"x"})
    whole = gzip.compress(whole, mtime=0) if compressed else whole
    path = tmp_path / "archive"
    wanted = outputs(tmp_path / "out", "first", "second", "third")
    step = 7 if compressed else 256
    for size in range(0, len(whole), step):
        path.write_bytes(whole[:size])
        counts = None
        with suppress(UserError):
            counts = extract(path, wanted)
        if counts is not None:  # all that was asked for had come
            assert counts == {"first": 200 * 2 + 1, "second": 100 * 2 + 1, "third": 1}
            assert wanted["first"].read_bytes() == TEXT * 200
            assert wanted["second"].read_bytes() == TEXT * 100
            assert wanted["third"].read_bytes() == b"x"


@pytest.mark.parametrize(
    "damaged",
    [gzip.compress(TEXT)[:-9], gzip.compress(TEXT)[:-8] + bytes(8), TEXT],
    ids=["cut off", "wrong checksum", "not compressed"],
)
def test_a_damaged_gz_member(damaged: bytes, tmp_path: Path) -> None:
    path = tmp_path / "archive.tar"
    path.write_bytes(tar({"a.gz": damaged}))
    with pytest.raises(UserError, match=r"archive.tar is not a whole archive \(.*\): remove it"):
        extract(path, outputs(tmp_path, "a.gz"))
    assert not (tmp_path / "a").exists()


def test_a_folder_is_no_text(tmp_path: Path) -> None:
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w") as archive:
        info = tarfile.TarInfo("a")
        info.type = tarfile.DIRTYPE
        archive.addfile(info)
    path = tmp_path / "archive.tar"
    path.write_bytes(buffer.getvalue())
    with pytest.raises(UserError, match=r"a in .*archive.tar is no file"):
        extract(path, outputs(tmp_path, "a"))


def test_another_number_of_pairs_than_quoted_is_told(capsys: pytest.CaptureFixture[str]) -> None:
    corpus = Corpus("a", ("https://host/a.tgz",), Checksum("md5", "0" * 32), ("en", "fr"), pairs=7)
    quoted_count(corpus, 7)
    assert capsys.readouterr().err == ""
    quoted_count(corpus, 8)
    assert capsys.readouterr().err.startswith("moe_nmt: a has 8 pairs while 7 are quoted; its che")
