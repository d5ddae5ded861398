"""A workbook: a sheet that says what the figures are, and the figures, with real dates and numbers.

Excel knows no time zones: instants stand in local time of the plan's zone, which their headings name. Text is always
text; nothing that a fact says becomes a formula or a link. Rows are written as they come, in constant memory.
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime
from decimal import Decimal
from zoneinfo import ZoneInfo

import pyarrow as pa
import xlsxwriter
from xlsxwriter.format import Format
from xlsxwriter.worksheet import Worksheet

from rollbook.render.about import About
from rollbook.reports.columns import AMOUNT, INSTANT, NUMBER, PERCENT, TEXT, WHOLE, YES

ROWS_MAX = 1_048_575
"""Rows of a sheet below its heading; more go on in the next sheet."""

TEXT_MAX = 32_767
"""Characters of a cell; longer text is cut, and ends in an ellipsis."""

WIDTHS = {WHOLE: 12, NUMBER: 12, PERCENT: 10, AMOUNT: 14, TEXT: 22, INSTANT: 20, YES: 9}
"""Columns' widths by kind, in characters; no heading is wider than its column."""

FORMATS = {
    WHOLE: "#,##0",
    NUMBER: "#,##0.0",
    PERCENT: '0.0"%"',
    AMOUNT: "#,##0.00##",
    TEXT: "@",
    INSTANT: "yyyy-mm-dd hh:mm:ss",
    YES: "General",
}

OPTIONS = {
    "constant_memory": True,
    "strings_to_formulas": False,
    "strings_to_urls": False,
    "strings_to_numbers": False,
}


def write_xlsx(table: pa.RecordBatchReader, about: About, file: str) -> None:
    """The sheets About and Data; where the rows go on, Data 2 and so forth."""
    book = xlsxwriter.Workbook(file, OPTIONS)
    book.set_properties({"title": about.title, "comments": about.purpose})
    _write_about(book, about, table.schema)
    number = 0
    rows = _rows(table)
    row = next(rows, None)
    while row is not None or not number:
        number += 1
        sheet = _DataSheet(book, f"Data {number}" if number > 1 else "Data", table.schema, about.subscription.zone)
        while row is not None and sheet.rows < ROWS_MAX:
            sheet.write(row)
            row = next(rows, None)
        sheet.finish()
    book.get_worksheet_by_name("Data").activate()
    book.close()


def _rows(table: pa.RecordBatchReader) -> Iterator[tuple[object, ...]]:
    for batch in table:
        yield from zip(*(column.to_pylist() for column in batch.columns), strict=True)


def _write_about(book: xlsxwriter.Workbook, about: About, schema: pa.Schema) -> None:
    sheet = book.add_worksheet("About")
    sheet.hide_gridlines(2)
    label = book.add_format({"bold": True, "valign": "top", "font_color": "#40566B"})
    words = book.add_format({"text_wrap": True, "valign": "top"})
    sheet.set_column(0, 0, 30)
    sheet.set_column(1, 1, 100)
    sheet.write_string(0, 0, about.title, book.add_format({"bold": True, "font_size": 16}))
    sheet.write_string(1, 0, about.purpose, book.add_format({"italic": True}))
    line = 3
    for name, meaning in about.lines:
        sheet.write_string(line, 0, name, label)
        sheet.write_string(line, 1, _text(meaning), words)
        line += 1
    sheet.write_string(line + 1, 0, "Columns", book.add_format({"bold": True, "font_size": 13}))
    for below, field in enumerate(schema, line + 2):
        sheet.write_string(below, 0, field.name, label)
        sheet.write_string(below, 1, field.metadata[b"meaning"].decode(), words)
    sheet.set_landscape()
    sheet.fit_to_pages(1, 0)


class _DataSheet:
    """One sheet of figures."""

    def __init__(self, book: xlsxwriter.Workbook, name: str, schema: pa.Schema, zone: str) -> None:
        self.rows = 0
        self._zone = ZoneInfo(zone)
        self._sheet: Worksheet = book.add_worksheet(name)
        self._kinds = [field.metadata[b"kind"].decode() for field in schema]
        self._formats: list[Format] = [book.add_format({"num_format": FORMATS[kind]}) for kind in self._kinds]
        heading = book.add_format(
            {
                "bold": True,
                "text_wrap": True,
                "valign": "top",
                "bg_color": "#E6EDF4",
                "bottom": 1,
                "font_color": "#14283C",
            }
        )
        for n, (field, kind) in enumerate(zip(schema, self._kinds, strict=True)):
            self._sheet.set_column(n, n, max(WIDTHS[kind], len(field.name) + 4))
        for n, (field, kind) in enumerate(zip(schema, self._kinds, strict=True)):
            self._sheet.write_string(0, n, f"{field.name}\n({zone})" if kind == INSTANT else field.name, heading)
        self._sheet.freeze_panes(1, 0)
        self._sheet.repeat_rows(0)
        self._sheet.set_landscape()
        self._sheet.fit_to_pages(1, 0)

    def write(self, row: tuple[object, ...]) -> None:
        """One row below the last."""
        self.rows += 1
        for n, value in enumerate(row):
            if isinstance(value, bool):
                self._sheet.write_boolean(self.rows, n, value)
            elif isinstance(value, int | float | Decimal):
                self._sheet.write_number(self.rows, n, float(value), self._formats[n])
            elif isinstance(value, datetime):
                at = value.astimezone(self._zone).replace(tzinfo=None)
                self._sheet.write_datetime(self.rows, n, at, self._formats[n])
            elif value:
                self._sheet.write_string(self.rows, n, _text(str(value)), self._formats[n])

    def finish(self) -> None:
        """Filters over all that was written."""
        self._sheet.autofilter(0, 0, self.rows, len(self._kinds) - 1)


def _text(text: str) -> str:
    return text if len(text) <= TEXT_MAX else text[: TEXT_MAX - 1] + "…"
