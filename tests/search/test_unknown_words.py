"""Unknown words become the source words they attend to most."""

from pathlib import Path

import pytest
import torch
from fairseq.data import Dictionary

from moe_nmt.errors import UserError
from moe_nmt.search.unknown_words import UnknownWords, word_translations

UNKNOWN, END = 3, 2


def words(*known: str) -> Dictionary:
    entries = Dictionary()
    for word in known:
        entries.add_symbol(word)
    return entries


def replacing(translations: dict[str, str]) -> UnknownWords:
    return UnknownWords(words("the", "cat"), words("die", "Katze"), translations)


def test_each_takes_the_word_it_attends_to_most_and_the_end_is_no_word() -> None:
    unknown_words = replacing({"cat": "Mieze"})
    unknown_words.add(["the cat Tlön"])
    source = unknown_words.source.encode_line("the cat Tlön", add_if_not_exist=False)
    assert unknown_words.as_unknown(source).tolist() == [4, 5, UNKNOWN, END]
    tokens = torch.tensor([4, UNKNOWN, UNKNOWN, UNKNOWN, END])
    attention = torch.tensor(
        [
            [0.0, 1.0, 0.0, 0.0],
            [0.1, 0.1, 0.2, 0.6],
            [0.1, 0.2, 0.0, 0.7],
            [0.9, 0.1, 0.0, 0.0],
            [0.0, 0.0, 0.0, 1.0],
        ]
    )
    replaced = unknown_words.replace(tokens, attention, source)
    assert unknown_words.target.string(replaced) == "die Tlön Mieze the"
    assert tokens.tolist() == [4, UNKNOWN, UNKNOWN, UNKNOWN, END]  # log p is still of these


@pytest.mark.parametrize("line", ["", "<unk>"])
def test_without_a_word_to_copy_it_stays_visible(line: str) -> None:
    unknown_words = replacing({})
    source = unknown_words.source.encode_line(line)
    tokens = torch.tensor([UNKNOWN, END])
    replaced = unknown_words.replace(tokens, torch.ones(2, source.numel()), source)
    assert unknown_words.target.string(replaced) == "<<unk>>"


def test_the_option_names_a_dictionary(tmp_path: Path) -> None:
    file = tmp_path / "en-de"
    file.write_text("cat Katze\n\nTlön  Tlön\n")
    assert word_translations(str(file)) == {"cat": "Katze", "Tlön": "Tlön"}
    assert word_translations("@@ ") == word_translations("") == {}
    assert word_translations(None) is None


def test_a_bad_dictionary_is_named(tmp_path: Path) -> None:
    file = tmp_path / "en-de"
    file.write_text("cat Katze\ncat\n")
    with pytest.raises(UserError, match="en-de: a line has to be a word and its translation"):
        word_translations(str(file))
    file.write_bytes(b"\xff\xfe")
    with pytest.raises(UserError, match=r"en-de: .*decode"):
        word_translations(str(file))
    with pytest.raises(UserError, match="absent: No such file or directory"):
        word_translations(str(tmp_path / "absent"))
