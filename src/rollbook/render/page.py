"""A report as one page of HTML that needs nothing else: no script, no network, no file beside it.

Figures and charts first, then the table, then what all of it means. Text of facts is escaped by the template engine,
everywhere; nothing but the charts, which hold no text of facts, is trusted.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from typing import IO

import pyarrow as pa
from babel.numbers import format_currency
from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup

from rollbook.model.instants import to_us
from rollbook.model.money import Money
from rollbook.render.about import About
from rollbook.render.drawing import Drawing
from rollbook.render.words import clean, local
from rollbook.reports.columns import AMOUNT, NUMBER, PERCENT, WHOLE
from rollbook.reports.outline import Figure

ROWS_MAX = 1000
"""Rows on a page: more are for a file, and the page says how many there are."""

NUMERIC = (WHOLE, NUMBER, PERCENT, AMOUNT)

IF_ANY = ("carried", "expired", "reactivated", "awaiting", "overage_to_date")
"""Columns that a page has only where one of their rows is not 0."""

LOCALE = "en"


@dataclass(frozen=True, slots=True)
class Heading:
    """A column as the page shows it, or why it does not."""

    name: str
    meaning: str
    numeric: bool
    left_out: str = ""


def write_page(
    table: pa.RecordBatchReader,
    about: About,
    figures: tuple[Figure, ...],
    drawings: tuple[Drawing, ...],
    out: IO[str],
) -> None:
    """The page. Rows beyond `ROWS_MAX` are counted as they pass."""
    zone = about.subscription.zone
    kinds = [field.metadata[b"kind"].decode() for field in table.schema]
    rows: list[list[str]] = []
    total = 0
    for batch in table:
        total += batch.num_rows
        wanted = batch.slice(0, ROWS_MAX - len(rows)) if len(rows) < ROWS_MAX else batch.slice(0, 0)
        columns = [column.to_pylist() for column in wanted.columns]
        rows += [
            [cell(value, kind, zone) for value, kind in zip(row, kinds, strict=True)]
            for row in zip(*columns, strict=True)
        ]
    by_column = [tuple(row[n] for row in rows) for n in range(len(kinds))]
    headings = [
        Heading(field.name, field.metadata[b"meaning"].decode(), kind in NUMERIC, _left_out(field.name, cells))
        for field, kind, cells in zip(table.schema, kinds, by_column, strict=True)
    ]
    template = _environment().get_template("report.html")
    out.write(
        template.render(
            about=about,
            figures=[(it, value, len(value)) for it in figures for value in [shown(it.value)]],
            drawings=[(it, {size: Markup(svg) for size, svg in it.svg.items()}) for it in drawings],  # noqa: S704
            headings=headings,
            currency=next((row[n] for row in rows for n, it in enumerate(headings) if it.name == "currency"), ""),
            rows=rows,
            total=total,
            until=local(about.as_of_us, zone),
        )
    )


def _left_out(name: str, values: tuple[str, ...]) -> str:
    """Why a column has nothing to show; '' where it has."""
    if values and not any(values):
        return "empty throughout, and left out above"
    if name == "currency" and len(set(values)) == 1:
        return f"{values[0]} throughout, and left out above"
    if values and name in IF_ANY and set(values) <= {"", "0"}:
        return "0 throughout, and left out above"
    return ""


def shown(value: int | Money) -> str:
    """A key figure for people."""
    if isinstance(value, Money):
        return format_currency(value.amount, value.currency, locale=LOCALE)
    return f"{value:,}"


def cell(value: object, kind: str, zone: str) -> str:
    """A value for people: local dates, digits in groups."""
    if value is None or value == "":
        return ""
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, datetime):
        return local(to_us(value), zone)
    if isinstance(value, float):
        return f"{value:,.1f}" + (" %" if kind == PERCENT else "")
    if isinstance(value, int | Decimal):
        return f"{value:,}"
    return clean(str(value))


def _environment() -> Environment:
    return Environment(
        loader=PackageLoader("rollbook.render"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
