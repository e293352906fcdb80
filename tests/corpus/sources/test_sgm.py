"""WMT's test sets: read by pattern, and as sacreBLEU reads them."""

from pathlib import Path

import pytest
from sacrebleu.dataset import DATASETS

from moe_nmt.corpus.sources.sgm import Segments, read_segments
from moe_nmt.errors import UserError

FILE = """<srcset setid="newstest2012" srclang="any">
<doc sysid="ref" docid="a & b" genre="news" origlang="fr">
<hl>
<seg id="1">  Two   spaces\u00a0and a no-break one </seg>
</hl>
<p>
<seg id="2">5 < 6 & 7 > 6</seg>
<seg id="3"></seg>
<seg id="4">an odd\u2028separator\u0085and\x0bmore</seg>
</p>
</doc>
</srcset>
"""


def write(folder: Path, text: str) -> Path:
    path = folder / "newstest-src.en.sgm"
    path.write_text(text, encoding="utf-8", newline="")
    return path


def test_as_sacrebleu_reads_it(tmp_path: Path) -> None:
    path = write(tmp_path, FILE)
    found = read_segments(path)
    assert found.sentences == [
        "Two spaces and a no-break one", "5 < 6 & 7 > 6", "", "an odd separator and more",
    ]  # fmt: skip
    DATASETS["wmt12"]._convert_format(str(path), str(tmp_path / "text"))
    expected = (tmp_path / "text").read_text(encoding="utf-8")
    assert "".join(f"{sentence}\n" for sentence in found.sentences) == expected


@pytest.mark.parametrize(
    ("text", "entities", "bare", "is_escaped"),
    [
        ("R&amp;D &quot;x&quot; &#39;", 4, 0, True),
        ("R&D", 0, 1, False),
        ("R&D &amp; more", 1, 1, False),  # somebody wrote about entities
        ("none", 0, 0, False),
    ],
)
def test_entities_are_decided_on_by_counting(
    text: str, entities: int, bare: int, is_escaped: bool, tmp_path: Path
) -> None:
    found = read_segments(write(tmp_path, f'<seg id="1">{text}</seg>'))
    assert found == Segments([text], entities, bare)
    assert found.is_escaped is is_escaped


def test_segments_over_lines_and_in_capitals_are_not_lost(tmp_path: Path) -> None:
    path = write(tmp_path, '<SEG id="1">one\ntwo</SEG>  <seg id="2">three</seg>\r\n')
    assert read_segments(path).sentences == ["one two", "three"]


@pytest.mark.parametrize("text", [FILE[:200], FILE.replace("</seg>\n</p>", "</p>"), "", "<p>x</p>"])
def test_a_cut_file_is_refused(text: str, tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"sgm has \d segments of which \d have an end: get it ag"):
        read_segments(write(tmp_path, text))


def test_another_encoding_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "a.sgm"
    path.write_bytes(b'<seg id="1">\xe9t\xe9</seg>')
    with pytest.raises(UserError, match=r"a.sgm is not UTF-8"):
        read_segments(path)
