"""Files are what they hold, not what they are called; pipes and links are inputs and outputs."""

from __future__ import annotations

import bz2
import gzip
import io
import lzma
import os
import re
import subprocess
import tarfile
import tempfile
import threading
import zipfile
from collections.abc import Callable
from pathlib import Path

import pytest

from moe_nmt.cli import score, subword
from moe_nmt.corpus.sources.sgm import is_test_set, sentences_of
from moe_nmt.errors import UserError
from moe_nmt.files.containers import plain_name
from moe_nmt.files.text import count_lines, read_text, write_lines, written_whole

TEXT = "ein Hund\nzwei Männer\n\nEnde"
LINES = TEXT.split("\n")


def zst(data: bytes) -> bytes:
    zstd = pytest.importorskip("backports.zstd")
    options = {zstd.CompressionParameter.checksum_flag: 1}  # as the program zstd does
    compressed: bytes = zstd.compress(data, options=options)
    return compressed


COMPRESSIONS: dict[str, Callable[[bytes], bytes]] = {
    ".gz": gzip.compress,
    ".xz": lzma.compress,
    ".bz2": bz2.compress,
    ".zst": zst,
}
COMPRESSED = pytest.mark.parametrize("suffix", COMPRESSIONS)


@COMPRESSED
@pytest.mark.parametrize("name", ["text.de", "text.gz", "text.xz", "text"])
def test_compression_is_seen_by_content(suffix: str, name: str, tmp_path: Path) -> None:
    path = tmp_path / name
    path.write_bytes(COMPRESSIONS[suffix](TEXT.encode("utf-8")))
    assert list(read_text(path)) == LINES
    assert count_lines(path) == 4


def test_a_name_alone_compresses_nothing(tmp_path: Path) -> None:
    (tmp_path / "text.gz").write_text(TEXT, encoding="utf-8")
    assert list(read_text(tmp_path / "text.gz")) == LINES


@COMPRESSED
def test_what_is_not_whole_is_refused(suffix: str, tmp_path: Path) -> None:
    whole = COMPRESSIONS[suffix](os.urandom(40_000).hex().encode())
    for number, data in enumerate((whole[:-9], whole[: len(whole) // 2])):
        path = tmp_path / f"{number}"
        path.write_bytes(data)
        with pytest.raises(UserError, match=rf"{number} is not a whole compressed file"):
            count_lines(path)
    damaged = bytearray(whole)
    damaged[len(damaged) // 2] ^= 0xFF
    (tmp_path / "damaged").write_bytes(damaged)
    with pytest.raises(UserError, match="damaged is not a whole compressed file"):
        count_lines(tmp_path / "damaged")


@COMPRESSED
def test_compression_is_written_by_name(suffix: str, tmp_path: Path) -> None:
    path = tmp_path / f"out{suffix}"
    assert write_lines(path, LINES) == 4
    assert path.read_bytes()[:3] == COMPRESSIONS[suffix](b"x")[:3]
    assert list(read_text(path)) == LINES
    first = path.read_bytes()
    write_lines(path, LINES)
    assert path.read_bytes() == first


def archive_of(kind: str) -> bytes:
    """An archive with one text in it."""
    file = io.BytesIO()
    if kind == "zip":
        with zipfile.ZipFile(file, "w") as archive:
            archive.writestr("text", TEXT)
    else:
        with tarfile.open(fileobj=file, mode="w") as tar:
            tar.addfile(tarfile.TarInfo("text"))
    return file.getvalue()


@pytest.mark.parametrize(
    ("data", "words"),
    [
        (archive_of("zip"), "is a zip archive, or a document in one, not text"),
        (archive_of("tar"), "is a tar archive, not text: extract it first"),
        (gzip.compress(archive_of("tar")), "is a tar archive, not text"),
        (b"%PDF-1.7 ...", "is a PDF document"),
        (b"MMIDIDX\0\0" + bytes(40), "is binarised already"),
        (TEXT.encode("utf-16"), "is UTF-16: make it UTF-8 first by iconv -f UTF-16 -t UTF-8"),
        (b"\xfe\xff" + TEXT.encode("utf-16-be"), "is UTF-16"),
        (TEXT.encode("utf-32"), "is UTF-32: make it UTF-8 first by iconv -f UTF-32"),
        (TEXT.encode("utf-16-le"), "is binary, or UTF-16LE without a mark.* -f UTF-16LE"),
        (TEXT.encode("utf-16-be"), "is binary, or UTF-16BE without a mark.* -f UTF-16BE"),
        (TEXT.encode("utf-32-le"), "is binary, or UTF-32LE without a mark.* -f UTF-32LE"),
        (TEXT.encode("utf-32-be"), "is binary, or UTF-32BE without a mark.* -f UTF-32BE"),
        (gzip.compress(TEXT.encode("utf-16")), "is UTF-16"),
        (TEXT.encode("latin-1"), "line 2 of .* is not UTF-8: if it is LATIN1, say, .* iconv"),
    ],
    ids=range(14),  # the data of some hold the time
)
def test_what_is_no_text_is_refused(data: bytes, words: str, tmp_path: Path) -> None:
    path = tmp_path / "text.de"
    path.write_bytes(data)
    with pytest.raises(UserError, match=words):
        list(read_text(path))


def test_marks_and_stray_zeros_are_no_matter(tmp_path: Path) -> None:
    path = tmp_path / "text"
    path.write_bytes(b"\xef\xbb\xbfein\n\xef\xbb\xbfzw\x00ei" + b" Hund" * 20)
    first, second = read_text(path)
    assert first == "ein"
    assert second.startswith("\ufeffzw\x00ei")


def test_names_without_their_compression() -> None:
    names = ["a.de", "a.de.gz", "a.de.xz", "a.de.bz2", "a.de.zst", "a.gz.de"]
    assert [plain_name(name) for name in names] == ["a.de"] * 5 + ["a.gz.de"]


SEGMENTS = '<seg id="1"> Ein\nHund </seg><seg id="2">B &amp; C</seg>'
SGM = f'<refset setid="x"><doc>{SEGMENTS}</doc></refset>'
XML = f"""<?xml version="1.0"?>
<dataset><doc><src lang="en"><p>{SEGMENTS}</p></src></doc></dataset>"""


@pytest.mark.parametrize("data", [SGM, SGM.upper().replace("EIN", "Ein"), f"\ufeff\n{XML}", XML])
@pytest.mark.parametrize("compress", [bytes, gzip.compress])
def test_test_sets_are_seen_by_content(
    data: str, compress: Callable[[bytes], bytes], tmp_path: Path
) -> None:
    path = tmp_path / "set.txt"
    path.write_bytes(compress(data.encode("utf-8")))
    assert is_test_set(path)
    assert len(sentences_of(path)) == 2
    assert sentences_of(path)[0].casefold() == "ein hund"


def test_text_that_speaks_of_markup_is_text(tmp_path: Path) -> None:
    (tmp_path / "a.sgm").write_text("The <seg> element\nof <srcset>.\n", encoding="utf-8")
    assert not is_test_set(tmp_path / "a.sgm")
    assert sentences_of(tmp_path / "a.sgm") == ["The <seg> element", "of <srcset>."]


def test_a_test_set_of_several_texts_is_refused(tmp_path: Path) -> None:
    both = XML.replace("</src>", '</src><ref lang="de"><p><seg id="1">a</seg></p></ref>')
    (tmp_path / "both.xml").write_text(both, encoding="utf-8")
    with pytest.raises(UserError, match=r'both.xml holds several texts \(<src lang="en">, <ref'):
        sentences_of(tmp_path / "both.xml")


def test_references_may_be_a_test_set(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    data = SGM.replace("&amp; ", "")
    (tmp_path / "ref").write_bytes(lzma.compress(data.encode("utf-8")))
    (tmp_path / "hyp").write_text("Ein Hund\nB C\n", encoding="utf-8")
    score.main([str(tmp_path / "hyp"), "--reference", str(tmp_path / "ref")])
    assert re.search(r"chrF2 +100\.00", capsys.readouterr().out)


def fed(path: Path, data: bytes) -> threading.Thread:
    """A named pipe that gets data from a thread."""
    os.mkfifo(path)
    thread = threading.Thread(target=path.write_bytes, args=(data,))
    thread.start()
    return thread


def test_commands_read_pipes(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    data = b"a dog and a cat\n" * 30
    (tmp_path / "text").write_bytes(data)
    threads = [fed(tmp_path / "one", data), fed(tmp_path / "two", gzip.compress(data))]
    model = tmp_path / "model"
    options = f"--method bpe --vocabulary 30 --output {model}"
    subword.main(f"learn --input {tmp_path / 'one'} {options}".split())
    output = tmp_path / "pieces.gz"
    subword.main(f"apply --model {model} --input {tmp_path / 'two'} --output {output}".split())
    assert count_lines(output) == 30
    threads.append(fed(tmp_path / "three", data))
    score.main([str(tmp_path / "three"), "--reference", str(tmp_path / "text")])
    assert "100.00" in capsys.readouterr().out
    for thread in threads:
        thread.join()


def test_a_pipe_is_called_by_its_own_name(tmp_path: Path) -> None:
    (tmp_path / "text").write_bytes(b"a dog\n" * 2)
    pipe = tmp_path / "pipe"
    thread = fed(pipe, b"a dog\n")
    with pytest.raises(SystemExit) as stopped:
        score.main([str(pipe), "--reference", str(tmp_path / "text")])
    thread.join()
    assert f"{pipe} has 1 lines" in str(stopped.value)
    assert tempfile.gettempdir() + "/moe_nmt-" not in str(stopped.value)


def test_a_pipe_is_named_once(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    pipe = str(tmp_path / "pipe")
    with pytest.raises(SystemExit, match="pipe is named twice, and a pipe can be read once"):
        score.main([pipe, "--reference", pipe])


def test_outputs_into_links_pipes_and_devices(tmp_path: Path) -> None:
    kept, link = tmp_path / "kept", tmp_path / "link"
    kept.write_text("old")
    link.symlink_to("kept")
    write_lines(link, ["new"])
    assert link.is_symlink()
    assert kept.read_text() == "new\n"
    dangling = tmp_path / "dangling"
    dangling.symlink_to("later")
    write_lines(dangling, ["new"])
    assert (tmp_path / "later").read_text() == "new\n"
    write_lines(Path("/dev/null"), ["new"])
    assert Path("/dev/null").is_char_device()
    os.mkfifo(tmp_path / "pipe")
    with subprocess.Popen(["cat", str(tmp_path / "pipe")], stdout=subprocess.PIPE) as process:
        write_lines(tmp_path / "pipe", ["through"])
        assert process.communicate()[0] == b"through\n"


def test_outputs_that_cannot_be(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="it is a folder; name a file"):
        write_lines(tmp_path, ["a"])
    (tmp_path / "file").write_text("good")
    with pytest.raises(UserError, match=r"cannot write .*below"):
        write_lines(tmp_path / "file" / "below", ["a"])
    with pytest.raises(UserError, match="cannot write /dev/full: No space left on device"):
        write_lines(Path("/dev/full"), ["a"])

    def broken() -> None:
        with written_whole(tmp_path / "file") as temporary:
            temporary.write_text("half")
            raise OSError(28, "No space left on device")

    with pytest.raises(UserError, match="No space left"):
        broken()
    assert (tmp_path / "file").read_text() == "good"
    assert sorted(path.name for path in tmp_path.iterdir()) == ["file"]
