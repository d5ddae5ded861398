"""A statement's record for a terminal: what counted, what was included, what is owed."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from rich.box import SIMPLE_HEAD
from rich.console import Console
from rich.table import Table
from rich.text import Text

from rollbook.proof.digests import canonical_record, digest
from rollbook.render.statement_words import (
    adjustment_in_words,
    charge_in_words,
    evidence_in_words,
    heading,
    local_day,
    money,
    moved_in_words,
    parts_in_words,
)
from rollbook.render.terminal import say, show
from rollbook.render.words import clean

SEATS = ("quantity", "held_at_start", "taken", "released", "held_at_end", "peak", "ever", "overage", "available")
"""What is told of seats, in order."""

USED = ("active", "new", "continuing", "reactivated", "allowance", "included", "overage", "available")
"""What is told of any other allowance, in order."""


def print_statement(out: Console, record: Mapping[str, Any], locale: str = "en") -> None:
    """One statement."""
    term = record["term"]
    whose = f"{record['customer']} · " if record["customer"] else ""
    say(out, f"{whose}{record['plan']['title']} ({record['plan']['id']}) · {term['start']} until {term['end']}")
    say(out, heading(record), bold=True)
    _print_used(out, record)
    lines = list(charge_lines(record, locale))
    if lines:
        table = Table("", "units", "rates", "amount", "due", box=SIMPLE_HEAD, pad_edge=False)
        for column in (1, 3):
            table.columns[column].justify = "right"
        for line in lines:
            table.add_row(*(Text(words) for words in line))
        table.add_section()
        table.add_row("total", "", "", money(record["total"], record["currency"], locale), "")
        show(out, table)
        if record["total"] is None:
            say(out, "no price is known for all of it: give [tariff] in the plan or the subscription, or --rates FILE")
    elif record["window"]:
        say(out, "nothing is charged")
    if record["rejected"]:
        say(
            out, f"INCOMPLETE: {record['rejected']:,} rows were rejected when this was counted, and count nowhere in it"
        )
    if record["evidence"]:
        say(out, f"evidence: {record['evidence']['rows']:,} rows, root {record['evidence']['root'][:16]}…")
        say(out, f"digest: {digest(canonical_record(record))}")
    say(out, f"as of {record['as_of']}")


def charge_lines(record: Mapping[str, Any], locale: str = "en") -> Iterable[tuple[str, str, str, str, str]]:
    """(what for, units, rates, amount, due) of every charge and adjustment."""
    currency = record["currency"]
    for charge in record["charges"]:
        what = clean(charge_in_words(charge, record))
        due = local_day(charge["due"], record).isoformat()
        amount = money(charge["amount"], currency, locale)
        yield what, f"{charge['units']:,}", parts_in_words(charge, currency, locale), amount, due
    for it in record["adjustments"]:
        yield f"adjustment of {adjustment_in_words(it)}", "", "", "" if it["charges"] else "no charge", ""
        for moved in it["charges"]:
            amount = money(moved["amount"], currency, locale)
            yield f"  {clean(moved_in_words(moved, record))}", f"{moved['units']:+,}", "", amount, ""


def print_statements(out: Console, records: Sequence[Mapping[str, Any]]) -> None:
    """The statements of a book, a line each."""
    table = Table("number", "window", "from", "until (excluded)", "active", "total", "as of", box=SIMPLE_HEAD)
    for record in records:
        window = record["window"]
        days = [local_day(window[name], record).isoformat() for name in ("start", "end")] if window else ["note", ""]
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
    elif record["consumption"]:
        pooled = any(used["pool"] for used in record["consumption"])
        table = Table(*(("organisation",) if pooled else ()), *USED, box=SIMPLE_HEAD, pad_edge=False)
        for used in record["consumption"]:
            table.add_row(*((Text(clean(used["pool"])),) if pooled else ()), *(f"{used[name]:,}" for name in USED))
        show(out, table)


def print_evidence(out: Console, record: Mapping[str, Any], rows: Sequence[Mapping[str, Any]]) -> None:
    """Who counted, and the fact that proves it."""
    say(out, f"{heading(record)} · evidence", bold=True)
    table = Table(
        *("window", "organisation", "unit", "class", "first", "proving fact", "standing"),
        box=SIMPLE_HEAD,
        pad_edge=False,
    )
    for row in rows:
        table.add_row(str(row["window"]), *(Text(clean(words)) for words in evidence_in_words(row, record)))
    show(out, table)
    if (more := record["evidence"]["rows"] - len(rows)) > 0:
        say(out, f"{more:,} more rows: --format csv prints them all")
