"""Descriptions of corpora, and what is no description."""

from pathlib import Path

import pytest
import yaml

from moe_nmt.corpus.sources.registry import find_corpus, read_description
from moe_nmt.errors import UserError

GOOD = {
    "name": "a-corpus",
    "archive": {"urls": ["https://host/x/../a.tgz"], "md5": "0" * 32},
    "pairs": {"en-fr": {"members": {"en": "a.en", "fr": "a.fr"}}},
}


def write(folder: Path, **changes: object) -> Path:
    path = folder / "a.yaml"
    path.write_text(yaml.safe_dump(GOOD | changes))
    return path


def test_a_small_description_will_do(tmp_path: Path) -> None:
    corpus = find_corpus(str(write(tmp_path)), ("fr", "en"))
    assert corpus.members == ("a.fr", "a.en")
    assert corpus.path == "x/a.tgz"  # never outside of the folder of archives
    assert corpus.checksum.algorithm == "md5"
    assert corpus.pairs is corpus.checksum.size is None


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"name": "../a"}, r"the name \.\./a must be letters"),
        ({"archive": {"urls": ["https://host/a.tgz"]}}, r"KeyError: 'md5'"),
        ({"archive": {"urls": [], "md5": "0"}}, "urls or members are missing"),
        ({"pairs": {"en-fr": {"members": None}}}, "urls or members are missing"),
        ({"pairs": {"en-fr": {"members": {"en": "a"}}}}, r"KeyError: 'fr'"),
        ({"pairs": ["en-fr"]}, "AttributeError"),
    ],
)
def test_mistakes(changes: dict[str, object], message: str, tmp_path: Path) -> None:
    with pytest.raises(UserError, match=rf"a.yaml is no corpus description \(.*{message}"):
        read_description(write(tmp_path, **changes), ("en", "fr"))


def test_other_languages(tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"a.yaml has no en-de: it has en-fr$"):
        read_description(write(tmp_path), ("en", "de"))
