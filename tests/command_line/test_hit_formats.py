"""A table for spreadsheets: what a member wrote is calculated by none, whatever its settings."""

from __future__ import annotations

import csv
import io

import pytest

from bot.command_line.hit_formats import as_csv, harmless_cell
from bot.command_line.hit_text import cut

SIGNS = tuple("=+-@＝＋－＠|%")


@pytest.mark.parametrize("delimiter", [",", ";", "\t"])
@pytest.mark.parametrize(
    "text",
    [
        "=1+1",
        "  =1+1",
        "\t=1+1",
        "\n=1+1",
        "＝1+1",
        "a;=1+1;b",
        "a; @b",
        'a;"=1+1&";b',
        'a; " =1+1',
        "a\n=1+1",
        "a\r\n-1",
        "a\t+1",
        "a;;=1",
    ],
)
def test_no_cell_begins_a_formula_however_the_table_is_divided(delimiter: str, text: str) -> None:
    table = as_csv(("number", "text", "end"), [(-1, text, "end")])
    rows = csv.reader(io.StringIO(table, newline=""), delimiter=delimiter)
    cells = [cell.strip(' "') for row in rows for cell in row if not cell.startswith("-1")]
    assert "number" in cells[0]
    assert not [cell for cell in cells if cell.startswith(SIGNS)]


@pytest.mark.parametrize("text", ["a-b", "a = b; c", "3 + 4", "mail@example.org", "one\ntwo", "x;y", ""])
def test_what_begins_no_formula_stays_as_it_is(text: str) -> None:
    assert harmless_cell(text) == text


def test_numbers_stay_numbers() -> None:
    assert harmless_cell(-0.25) == "-0.25"


@pytest.mark.parametrize(
    ("line", "columns", "shown"),
    [
        ("abcdef", None, "abcdef"),
        ("abcdef", 6, "abcdef"),
        ("abcdef", 5, "abcd…"),
        ("写真写真", 8, "写真写真"),
        ("写真写真", 7, "写真写…"),
        ("写真写真", 6, "写真…"),  # a letter of two columns does not fit beside the ellipsis
        ("Größe", 4, "Grö…"),
    ],
)
def test_a_line_is_cut_to_the_columns_that_a_terminal_has(line: str, columns: int | None, shown: str) -> None:
    assert cut(line, columns) == shown
