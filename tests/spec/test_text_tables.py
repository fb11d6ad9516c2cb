"""The tables of specifications: how they are read, and that a screen shows them."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.spec.text_tables import cases_of_table, read_table

WIDEST = 160


def test_blocks_and_continued_lines_make_one_line_of_a_case() -> None:
    table = read_table(
        """
        case     | units | price || fires
        too many | 90    | 2.50  || yes
        enough   | 30    | -     || no

        case     | program  || guards            | says
        too many | MDRP_FFS || ONE PASSED,       | 90 units ...
                 |          || THE_OTHER FAILED  | too many
        """
    )
    assert list(table) == ["too many", "enough"]
    assert table["too many"].left == {"units": "90", "price": "2.50", "program": "MDRP_FFS"}
    assert table["too many"].right == {
        "fires": "yes",
        "guards": "ONE PASSED, THE_OTHER FAILED",
        "says": "90 units ... too many",
    }
    assert table["enough"] == ({"units": "30", "price": "-"}, {"fires": "no"})


def test_a_case_that_is_omitted_in_a_block_has_empty_cells() -> None:
    assert cases_of_table("case | a\nx | 1\ny | 2\n\ncase | b\ny | 3") == {
        "x": {"a": "1", "b": ""},
        "y": {"a": "2", "b": "3"},
    }


@pytest.mark.parametrize(
    "text",
    [
        "case | a || b\nx | 1 || 2 | 3",
        "case | a || b\nx | 1",
        "case | a\nx | 1\nx | 2",
        "case | a\nx | 1\n\ncase | b\nmistyped | 2",
    ],
)
def test_a_table_that_does_not_fit_together_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match=r"zip|twice|first block"):
        read_table(text)


def test_tables_fit_on_a_screen() -> None:
    paths = sorted(Path(__file__).parent.glob("*.py"))
    lines = [
        (path.name, number, len(line))
        for path in paths
        for number, line in enumerate(path.read_text(encoding="utf-8").splitlines(), 1)
    ]
    assert [line for line in lines if line[2] > WIDEST] == []
