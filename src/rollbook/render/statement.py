"""A statement's record for a terminal: what counted, what was included, what is owed."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from datetime import date, datetime
from decimal import Decimal
from typing import Any
from zoneinfo import ZoneInfo

from babel.numbers import format_currency
from rich.box import SIMPLE_HEAD
from rich.console import Console
from rich.table import Table

from rollbook.render.terminal import say, show
from rollbook.render.words import clean

LOCALE = "en"

SEATS = ("quantity", "held_at_start", "taken", "released", "held_at_end", "peak", "ever", "overage", "available")
"""What is told of seats, in order."""

CHARGES = {
    "base": "bought",
    "base-added": "bought while the window ran",
    "overage": "beyond the allowance",
}
"""Kinds of charges, in words."""


def heading(record: Mapping[str, Any]) -> str:
    """What a statement is, in one line."""
    number = f"Statement {record['number']}" if record["number"] else "Preview, not closed"
    if record["window"]:
        return f"{number} · window {record['window']['number']}, {period(record)}"
    return f"{number} · a note after the term"


def period(record: Mapping[str, Any]) -> str:
    """The window's first and last local day."""
    zone = ZoneInfo(record["term"]["zone"])
    start, end = (datetime.fromisoformat(record["window"][name]).astimezone(zone) for name in ("start", "end"))
    return f"{start:%Y-%m-%d} until {end:%Y-%m-%d} (excluded), {record['term']['zone']}"


def money(amount: str | None, currency: str) -> str:
    """An amount as people write it; a dash where no price is known."""
    if amount is None or not currency:
        return "-"
    return str(format_currency(Decimal(amount), currency, locale=LOCALE, decimal_quantization=False))


def charge_in_words(charge: Mapping[str, Any], record: Mapping[str, Any]) -> str:
    """What a charge is for."""
    nothing_included = not record["agreed"]["plan"]["allowance"]["quantity"] and not record["agreed"]["quantities"]
    if charge["kind"] == "overage" and nothing_included:
        words = "active learners"
    else:
        words = CHARGES[charge["kind"]]
    words += f", {charge['pool']}" if charge["pool"] else ""
    return words + (f" (of these {charge['minimum']:,} up to the minimum)" if charge.get("minimum") else "")


def parts_in_words(charge: Mapping[str, Any], currency: str) -> str:
    """How an amount came about: units at rates."""
    words = []
    for part in charge["parts"]:
        rate, flat = money(part["rate"], currency), Decimal(part["flat"])
        words.append(f"{part['units']:,} x {rate}" + (f" + {money(part['flat'], currency)}" if flat else ""))
    return " + ".join(words)


def adjustment_in_words(adjustment: Mapping[str, Any]) -> str:
    """What an adjustment corrects."""
    numbers = adjustment["windows"]
    windows = f"window {numbers[0]}" if len(numbers) == 1 else f"windows {numbers[0]} to {numbers[-1]}"
    changed = [f"{adjustment[name]:,} {name}" for name in ("added", "removed") if adjustment[name]]
    return f"{windows}, closed before: {' and '.join(changed) or 'nobody added or removed'}"


def print_statement(out: Console, record: Mapping[str, Any]) -> None:
    """One statement."""
    term = record["term"]
    whose = f"{record['customer']} · " if record["customer"] else ""
    say(out, f"{whose}{record['plan']['title']} ({record['plan']['id']}) · {term['start']} until {term['end']}")
    say(out, heading(record), bold=True)
    _print_used(out, record)
    lines = list(charge_lines(record))
    if lines:
        table = Table("", "units", "rates", "amount", "due", box=SIMPLE_HEAD, pad_edge=False)
        for column in (1, 3):
            table.columns[column].justify = "right"
        for line in lines:
            table.add_row(*map(clean, line))
        table.add_section()
        table.add_row("total", "", "", money(record["total"], record["currency"]), "")
        show(out, table)
    if record["evidence"]:
        say(out, f"evidence: {record['evidence']['rows']:,} rows, root {record['evidence']['root'][:16]}…")
    say(out, f"as of {record['as_of']}")


def charge_lines(record: Mapping[str, Any]) -> Iterable[tuple[str, str, str, str, str]]:
    """(what for, units, rates, amount, due) of every charge and adjustment."""
    currency = record["currency"]
    for charge in record["charges"]:
        what = charge_in_words(charge, record)
        due = _local_day(charge["due"], record).isoformat()
        amount = money(charge["amount"], currency)
        yield what, f"{charge['units']:,}", parts_in_words(charge, currency), amount, due
    for it in record["adjustments"]:
        units = sum(moved["units"] for moved in it["charges"])
        yield f"adjustment of {adjustment_in_words(it)}", f"{units:+,}", "", money(it["amount"], currency), ""


def print_statements(out: Console, records: Sequence[Mapping[str, Any]]) -> None:
    """The statements of a book, a line each."""
    table = Table("number", "window", "from", "until (excluded)", "active", "total", "as of", box=SIMPLE_HEAD)
    for record in records:
        window = record["window"]
        days = [_local_day(window[name], record).isoformat() for name in ("start", "end")] if window else ["note", ""]
        active = f"{sum(used['active'] for used in record['consumption']):,}" if window else ""
        number = str(window["number"]) if window else ""
        total = money(record["total"], record["currency"])
        table.add_row(str(record["number"]), number, *days, active, total, record["as_of"])
    show(out, table)


def _print_used(out: Console, record: Mapping[str, Any]) -> None:
    if seats := record["seats"]:
        shown = [name for name in SEATS if name in seats]
        table = Table(*(name.replace("_", " ") for name in shown), box=SIMPLE_HEAD, pad_edge=False)
        table.add_row(*(f"{seats[name]:,}" for name in shown))
        show(out, table)
        return
    names = ("active", "new", "continuing", "reactivated", "allowance", "included", "overage", "available")
    if record["consumption"]:
        pooled = any(used["pool"] for used in record["consumption"])
        table = Table(*(("organisation",) if pooled else ()), *names, box=SIMPLE_HEAD, pad_edge=False)
        for used in record["consumption"]:
            table.add_row(*((clean(used["pool"]),) if pooled else ()), *(f"{used[name]:,}" for name in names))
        show(out, table)


def _local_day(instant: str, record: Mapping[str, Any]) -> date:
    return datetime.fromisoformat(instant).astimezone(ZoneInfo(record["term"]["zone"])).date()
