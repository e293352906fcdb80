"""Tables: what is in them, and where it stands."""

from moe_nmt.files.tables import markdown, table

ROWS = [("", "BLEU", "±"), ("beam 5", "94.40", "-"), ("1", "7.10", "0.1")]


def test_figures_keep_their_digits_and_stand_to_the_right() -> None:
    assert table(ROWS).splitlines() == [
        "         BLEU    ±",
        "beam 5  94.40    -",
        "1        7.10  0.1",
    ]


def test_each_column_has_its_side_and_lines_end_in_no_space() -> None:
    assert table(ROWS, "rl").splitlines() == [
        "        BLEU   ±",
        "beam 5  94.40  -",
        "     1  7.10   0.1",
    ]


def test_markdown_has_a_head() -> None:
    assert markdown(ROWS).splitlines() == [
        "|        |   BLEU |   ± |",
        "|:-------|-------:|----:|",
        "| beam 5 |  94.40 |   - |",
        "| 1      |   7.10 | 0.1 |",
    ]
