"""Where long lines are cut."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from moe_nmt.translation.long_lines import join, sentences, split


@pytest.mark.parametrize(
    ("line", "expected"),
    [
        ("One. Two! Three?", ["One.", "Two!", "Three?"]),
        ('He said: "Go." She went.', ['He said: "Go."', "She went."]),
        ("3.5 metres. www.a.de ends.", ["3.5 metres.", "www.a.de ends."]),
        ("Wait… what?! Yes.", ["Wait…", "what?!", "Yes."]),
        ("你好。再见！", ["你好。", "再见！"]),
        ("「行く。」と言った。終わり。", ["「行く。」", "と言った。", "終わり。"]),
        ("क्या? हाँ। ठीक।", ["क्या?", "हाँ।", "ठीक।"]),
        ("ماذا؟ نعم.", ["ماذا؟", "نعم."]),
        ("no end", ["no end"]),
        ("", []),
    ],
)
def test_sentences(line: str, expected: list[str]) -> None:
    assert sentences(line) == expected


@given(st.text(alphabet='ab .!?。」"', max_size=40))
def test_nothing_is_lost_but_space(line: str) -> None:
    assert "".join(sentences(line)).replace(" ", "") == line.replace(" ", "")
    assert join(sentences(line)).replace(" ", "") == line.replace(" ", "")


def test_parts_are_as_long_as_they_may_be() -> None:
    line = "a b. c d. e f g h. i. j. k."

    def words(text: str) -> int:
        return len(text.split())

    assert split(line, words, 4) == ["a b. c d.", "e f g h.", "i. j. k."]
    assert split(line, words, 3) == ["a b.", "c d.", "e f g h.", "i. j. k."]
    assert split(line, words, 99) == [line]
    assert split("你好。再见！", len, 6) == ["你好。再见！"]
