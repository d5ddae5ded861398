"""Charges and adjustments of statements as rows, for a system that bills: what is owed, for what, since when.

A row has a key by which it is known for ever: importing it twice is importing it once. What was bought and is due has
the same key in a preview, so that it can be billed in advance, before its window is closed.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from datetime import datetime
from decimal import Decimal
from typing import Any

import pyarrow as pa

from rollbook.accounting.charges import BASE
from rollbook.accounting.statement import joined_key
from rollbook.render.statement_words import booked_on, charge_in_words, local_day, moved_in_words

COLUMNS: Mapping[str, str] = {
    "key": "by which the line is known for ever; empty in a preview, but for what was bought and is due",
    "statement": "number of the statement; empty in a preview",
    "customer": "who pays",
    "plan": "id of the plan",
    "term": "number of the term",
    "window": "which the line is about, counted from 1 within the term; of an adjustment a window closed before",
    "window_start": "first day of the window that the statement closed; empty on a note after the term",
    "window_end": "first day no longer inside it",
    "zone": "whose midnights and days",
    "pool": "organisation whose allowance it is; empty where the customer's organisations share one",
    "kind": "base, base-added or overage",
    "adjustment": "true where a window closed before is corrected",
    "description": "what it is for, in words",
    "units": "how many are charged, or charged more (less) than before",
    "unit_price": "of each, where one rate holds for all of them and nothing is added to it",
    "amount": "what is owed, or given back where it is below 0; empty where a price is not known",
    "currency": "of the amount, ISO 4217; empty where nothing has a price",
    "due": "day from which on it is owed",
}
"""The columns of a line, with their meaning."""

_WHOLE = ("statement", "term", "window", "units")
_DAYS = ("window_start", "window_end", "due")
_EXACT = ("unit_price", "amount")


def lines(records: Iterable[Mapping[str, Any]]) -> pa.Table:
    """The charges and adjustments of statements, in order; every column says what it means."""
    rows = [row for record in records for row in _rows(record)]
    fields = [pa.field(name, _type(name, rows), metadata={"meaning": COLUMNS[name]}) for name in COLUMNS]
    columns = [pa.array([row[field.name] for row in rows], field.type) for field in fields]
    return pa.table(columns, pa.schema(fields))


def _type(name: str, rows: Iterable[Mapping[str, Any]]) -> pa.DataType:
    if name in _EXACT:
        # Digits after the point: as many as the most exact value has.
        exponents = [row[name].as_tuple().exponent for row in rows if row[name] is not None]
        return pa.decimal128(38, max((-exponent for exponent in exponents), default=0))
    if name == "adjustment":
        return pa.bool_()
    return pa.int64() if name in _WHOLE else pa.date32() if name in _DAYS else pa.string()


def _rows(record: Mapping[str, Any]) -> Iterator[dict[str, Any]]:
    window = record["window"]
    whose = {
        "statement": record["number"],
        "customer": record["customer"],
        "plan": record["agreed"]["plan"]["id"],
        "term": record["term"]["number"],
        "window_start": local_day(window["start"], record) if window else None,
        "window_end": local_day(window["end"], record) if window else None,
        "zone": record["term"]["zone"],
        "currency": record["currency"],
    }
    title = record["plan"]["title"] or record["plan"]["id"]
    for charge in record["charges"]:
        yield (
            whose
            | _what(charge)
            | {
                "key": _charge_key(charge, record),
                "adjustment": False,
                "description": f"{title}, window {charge['window']}: {charge_in_words(charge, record)}",
                "unit_price": _unit_price(charge),
                "due": local_day(charge["due"], record),
            }
        )
    for adjustment in record["adjustments"]:
        for moved in adjustment["charges"]:
            yield (
                whose
                | _what(moved)
                | {
                    "key": _adjustment_key(record, moved),
                    "adjustment": True,
                    "description": f"{title}, adjustment of {moved_in_words(moved, record)}",
                    "unit_price": None,
                    "due": booked_on(record),
                }
            )


def _what(line: Mapping[str, Any]) -> dict[str, Any]:
    known = {name: line[name] for name in ("window", "pool", "kind", "units")}
    return known | {"amount": None if line["amount"] is None else Decimal(line["amount"])}


def _unit_price(charge: Mapping[str, Any]) -> Decimal | None:
    """The rate, where it is the only one; a package is not the unit that is charged."""
    [*others, last] = charge["parts"] or [None]
    if last is None or others or Decimal(last["flat"]) or last["units"] != charge["units"]:
        return None
    return Decimal(last["rate"])


def _charge_key(charge: Mapping[str, Any], record: Mapping[str, Any]) -> str:
    """In a preview only what was bought and is due has its key: everything else may still change."""
    due = datetime.fromisoformat(charge["due"]) <= datetime.fromisoformat(record["as_of"])
    return charge["key"] if record["number"] or (charge["kind"] == BASE and due) else ""


def _adjustment_key(record: Mapping[str, Any], moved: Mapping[str, Any]) -> str:
    """The key of the line that is corrected, and the number of the statement that corrects it."""
    if not record["number"]:
        return ""
    plan, start = record["agreed"]["plan"]["id"], record["term"]["start"]
    line = (record["customer"], plan, start, str(moved["window"]), moved["pool"], moved["kind"])
    return joined_key((*line, str(record["number"])))
