"""The workbook, read back from its XML: real dates and numbers, and text that stays text."""

from __future__ import annotations

import zipfile
from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path

import pytest

from rollbook.render import xlsx
from rollbook.render.xlsx import TEXT_MAX, write_xlsx
from rollbook.reports.columns import Column

from .reading import COLUMNS, about, sheets, table

DAYS_TO_2026 = (datetime(2026, 1, 1) - datetime(1899, 12, 30)).days  # noqa: DTZ001 - Excel has no zones
"""Excel counts days from the end of 1899."""


def test_numbers_are_numbers_and_instants_are_local_dates(tmp_path: Path) -> None:
    """23:00 UTC on 31 December is midnight of 1 January in Paris: a whole number of days."""
    row = (3, 33.3, 1.5, Decimal("12.50"), "zoë", datetime(2025, 12, 31, 23, tzinfo=UTC), True)
    write_xlsx(table(row), about("Europe/Paris"), str(tmp_path / "r.xlsx"))
    heading, first = sheets(tmp_path / "r.xlsx")["Data"]
    assert heading == [*(f"s:{name}" for name in list(COLUMNS)[:5]), "s:at\n(Europe/Paris)", "s:open"]
    assert first == ["n:3", "n:33.3", "n:1.5", "n:12.5", "s:zoë", f"n:{DAYS_TO_2026}", "b:1"]


@pytest.mark.parametrize("text", ["=1+1", "{=1}", "https://example.org", "mailto:a@b.c", "0012", "<b>", "\x07bell"])
def test_text_is_never_a_formula_a_link_or_a_number(tmp_path: Path, text: str) -> None:
    write_xlsx(table((1, None, None, None, text, None, False)), about(customer=text), str(tmp_path / "r.xlsx"))
    with zipfile.ZipFile(tmp_path / "r.xlsx") as archive:
        assert not [name for name in archive.namelist() if "_rels/sheet" in name], "a link"
    found = sheets(tmp_path / "r.xlsx")
    assert found["Data"][1][4] == f"s:{text}".replace("\x07", "_x0007_")
    assert not [cell for rows in found.values() for row in rows for cell in row if cell.startswith("f:")]


def test_the_sheet_about_has_the_heading_and_every_column(tmp_path: Path) -> None:
    write_xlsx(table(), about(customer="Harbour"), str(tmp_path / "r.xlsx"))
    lines = [row for row in sheets(tmp_path / "r.xlsx")["About"] if row]
    assert lines[0] == ["s:A report"]
    assert ["s:Customer", "s:Harbour"] in lines
    assert ["s:Counts", "s:learners with login"] in lines
    assert lines[-len(COLUMNS) :] == [[f"s:{name}", f"s:{it.meaning}"] for name, it in COLUMNS.items()]


def test_the_heading_stays_in_sight_and_filters_reach_the_last_row(tmp_path: Path) -> None:
    write_xlsx(table(*[(n, None, None, None, "", None, False) for n in range(3)]), about(), str(tmp_path / "r.xlsx"))
    with zipfile.ZipFile(tmp_path / "r.xlsx") as archive:
        data = archive.read("xl/worksheets/sheet2.xml").decode()
    assert 'state="frozen"' in data
    assert '<autoFilter ref="A1:G4"/>' in data


def test_rows_that_one_sheet_cannot_hold_go_on_in_the_next(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(xlsx, "ROWS_MAX", 2)
    rows = [(n,) for n in range(5)]
    write_xlsx(table(*rows, columns={"units": Column("how many")}), about(), str(tmp_path / "r.xlsx"))
    found = sheets(tmp_path / "r.xlsx")
    assert list(found) == ["About", "Data", "Data 2", "Data 3"]
    assert [row for name in list(found)[1:] for row in found[name][1:]] == [[f"n:{n}"] for n in range(5)]


def test_text_that_is_too_long_for_a_cell_is_cut(tmp_path: Path) -> None:
    write_xlsx(table((1, None, None, None, "x" * (TEXT_MAX + 1), None, False)), about(), str(tmp_path / "r.xlsx"))
    cell = sheets(tmp_path / "r.xlsx")["Data"][1][4]
    assert cell == "s:" + "x" * (TEXT_MAX - 1) + "…"
