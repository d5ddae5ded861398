"""Facts and results written as tables that read down, for tests whose docstring or fixture is the data.

    at                 id  learner  type
    2026-01-31T00:00Z  e1  ana      login

Columns stand two or more spaces apart. `-` is empty text, `null` is nothing at all, `for ever` is the end of what
has none. Instants are UTC and end in Z, to the minute where that is all there is.
"""

from __future__ import annotations

import re
from datetime import UTC, date, datetime, timedelta
from textwrap import dedent

from rollbook.metering.identities import FOREVER_US
from rollbook.model.fact import Fact
from rollbook.model.instants import EPOCH, iso, to_us

Row = tuple[str, ...]


def us(text: str) -> int:
    """The instant that is written so."""
    return to_us(datetime.fromisoformat(text))


def table(text: str) -> tuple[Row, list[Row]]:
    """The names of the columns, and the rows below them."""
    header, *rows = (tuple(re.split(r" {2,}", line.strip())) for line in dedent(text).strip().splitlines())
    ragged = [row for row in rows if len(row) != len(header)]
    assert not ragged, f"these rows do not fill the columns {header}: {ragged}"
    return header, rows


def facts(text: str) -> list[Fact]:
    """The facts in a table. `at` is the instant; every other column is a field of `Fact`."""
    header, rows = table(text)
    return [_fact(dict(zip(header, row, strict=True))) for row in rows]


def _fact(cells: dict[str, str]) -> Fact:
    fields = {column: "" if cell == "-" else cell for column, cell in cells.items() if column != "at"}
    return Fact(at_us=us(cells["at"]), **fields)  # type: ignore[arg-type]


def shown(column: str, value: object) -> str:
    """A value of a result, as a table writes it."""
    if value is None:
        return "null"
    if value == "":
        return "-"
    if value == FOREVER_US:
        return "for ever"
    if isinstance(value, int) and value >= 0 and (column == "at" or column.endswith("_us")):
        text = iso(value)
        return text.removesuffix(":00Z") + "Z" if text.endswith(":00Z") else text
    if column == "day" and isinstance(value, int):
        return (EPOCH + timedelta(days=value)).date().isoformat()
    return str(value).lower() if isinstance(value, bool) else str(value)


def at_midnight(day: date) -> int:
    """Midnight in UTC."""
    return to_us(datetime(day.year, day.month, day.day, tzinfo=UTC))
