import shutil
import subprocess

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from moe_nmt.evaluation.compound_split import split_compounds


@pytest.mark.parametrize(
    ("sentence", "expected"),
    [
        ("die Web-Seite .", "die Web ##AT##-##AT## Seite ."),
        ("a-b-c-d", "a ##AT##-##AT## b-c ##AT##-##AT## d"),  # Perl goes on behind the match
        ("a-ä-c", "a ##AT##-##AT## ä ##AT##-##AT## c"),  # which for ä is its second byte
        ("- ja - nein-", "- ja - nein-"),
        ("Ö-Norm", "Ö ##AT##-##AT## Norm"),
        ("1.-3. --", "1. ##AT##-##AT## 3. --"),
        ("a --- b", "a - ##AT##-##AT## - b"),
        ("a\u00a0-b", "a\u00a0 ##AT##-##AT## b"),  # no white space to Perl, which reads bytes
    ],
)
def test_what_perl_does(sentence: str, expected: str) -> None:
    assert split_compounds(sentence) == expected


@pytest.mark.skipif(shutil.which("perl") is None, reason="there is no perl")
@settings(max_examples=20, deadline=None)
@given(st.lists(st.text(st.sampled_from("ab-. äÖ\u00a0\u2028"), max_size=12), max_size=20))
def test_equals_the_command_of_the_papers(lines: list[str]) -> None:
    command = r"s{(\S)-(\S)}{$1 ##AT##-##AT## $2}g"
    text = "".join(f"{line}\n" for line in lines)
    done = subprocess.run(
        ["perl", "-ple", command], input=text.encode(), capture_output=True, check=True
    )
    assert "".join(f"{split_compounds(line)}\n" for line in lines) == done.stdout.decode()
