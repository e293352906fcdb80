import sys
from importlib.metadata import version

import pytest
import sacrebleu

from moe_nmt.errors import UserError
from moe_nmt.evaluation.tokenizers import tokenizer

FRENCH = "L'été, oui: 3,5 % d'une Web-Seite."


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("13a", "L'été , oui : 3,5 % d'une Web-Seite ."),
        ("intl", "L ' été , oui : 3,5 % d ' une Web - Seite ."),
        ("none", FRENCH),
    ],
)
def test_tokenizers_without_a_language(name: str, expected: str) -> None:
    assert tokenizer(name).tokenize(FRENCH) == expected


def test_signatures_name_the_version() -> None:
    assert tokenizer("13a").signature == f"13a-sacrebleu-{sacrebleu.__version__}"
    assert tokenizer("none").signature == "none"


def test_moses_goes_by_the_language() -> None:
    pytest.importorskip("sacremoses")
    french, german = tokenizer("moses", "fr"), tokenizer("moses", "de")
    assert french.tokenize(FRENCH) == ("L&apos; été , oui : 3,5 % d&apos; une Web-Seite .")
    assert german.tokenize("z. B. L'été.") == "z. B. L &apos; été ."
    assert french.signature == f"moses-fr-sacremoses-{version('sacremoses')}"
    with pytest.raises(UserError, match="no rules for the language german, only for as, bn, "):
        tokenizer("moses", "german")


def test_moses_needs_a_language_and_its_package(monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(UserError, match="--tokenizer moses needs --language"):
        tokenizer("moses")
    monkeypatch.setitem(sys.modules, "sacremoses", None)
    with pytest.raises(UserError, match="pip install sacremoses, or take --tokenizer 13a"):
        tokenizer("moses", "fr")
