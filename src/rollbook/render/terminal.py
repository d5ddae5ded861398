"""Tables for a terminal. Text from facts is printed as text, never as markup."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import datetime, timedelta
from itertools import groupby
from typing import Any

import pyarrow as pa
from rich.box import SIMPLE_HEAD
from rich.console import Console
from rich.table import Table
from rich.text import Text

from rollbook.intake import SourceCoverage
from rollbook.metering.outcome import DISPOSITIONS
from rollbook.model.instants import from_us, iso, to_us
from rollbook.model.plan import Plan
from rollbook.model.subscription import Subscription
from rollbook.model.window import Window
from rollbook.render.words import clean, from_until, in_words, local, title, windows_in_words

NUMBERS = ("window", "active", "new", "continuing", "reactivated", "facts")
HEADINGS = {"start": "from", "end": "until (excluded)", "first_at": "first", "on": "from", "off": "until (excluded)"}
WINDOW = ("window", "start", "end")
CONTEXT = ("organisation", "object", "source", "kind")
"""Columns that say nothing where they are the same in all rows."""

IDS = ("organisation", "unit", "object", "fact", "source", "name")
"""Columns that may be broken where a terminal is narrow; all others are short."""

ROWS_MAX = 1000
"""A terminal shows this many rows; files have them all."""

WIDTH = 120
"""Columns where nobody looks on: in a pipe or a file."""

Named = Callable[[str], str]
"""Learner id → what people call the learner."""


def console(*, stderr: bool = False) -> Console:
    """A console for results, or for what is said about them."""
    found = Console(stderr=stderr, highlight=False)
    if not found.is_terminal:
        found.width = WIDTH
    return found


def say(out: Console, text: str, *, bold: bool = False) -> None:
    """A line of text: no markup, no control characters, broken by the terminal alone."""
    out.print(Text(clean(text), style="bold" if bold else ""), soft_wrap=True)


def show(out: Console, table: Table) -> None:
    """A table; without blanks at the ends of lines where it goes to a file or a pipe."""
    if out.is_terminal:
        out.print(table)
        return
    with out.capture() as captured:
        out.print(table)
    lines = [line.rstrip() for line in captured.get().splitlines()]
    out.file.write("\n".join(lines).strip("\n") + "\n")


def print_table(out: Console, table: pa.Table, subscription: Subscription, as_of_us: int) -> None:
    """A report. Windows carry local dates; the end is the first day no longer inside.

    Where a window has several rows it becomes a heading, and what is the same in all rows is left out.
    """
    say(out, title(subscription, as_of_us), bold=True)
    rows = table.slice(0, ROWS_MAX).to_pylist()
    if "organisation" in table.column_names:
        alike = {name for name in CONTEXT if len({row.get(name) for row in rows}) == 1}
        columns = [name for name in table.column_names if name not in WINDOW and name not in alike]
        for _, group in groupby(rows, key=lambda row: row["window"]):
            _print_window(out, list(group), columns, subscription.zone)
    else:
        show(out, _filled(table.column_names, rows, subscription.zone))
    if table.num_rows > ROWS_MAX:
        say(out, f"{table.num_rows - ROWS_MAX:,} more rows: --format csv prints them all")


def _print_window(out: Console, rows: Sequence[Mapping[str, Any]], columns: Sequence[str], zone: str) -> None:
    window = rows[0]
    say(out, "")
    say(out, f"window {window['window']}: {_cell(window['start'], zone)} until {_cell(window['end'], zone)} (excluded)")
    show(out, _filled(columns, rows, zone))


def _filled(columns: Sequence[str], rows: Iterable[Mapping[str, Any]], zone: str) -> Table:
    shown = Table(box=SIMPLE_HEAD, pad_edge=False, padding=(0, 1, 0, 0))
    for name in columns:
        shown.add_column(
            HEADINGS.get(name, name),
            justify="right" if name in NUMBERS else "left",
            overflow="fold",
            no_wrap=name not in IDS,
        )
    for row in rows:
        shown.add_row(*(Text(_cell(row[name], zone)) for name in columns))
    return shown


def _cell(value: object, zone: str) -> str:
    if isinstance(value, datetime):
        return local(to_us(value), zone)
    if isinstance(value, int):
        return f"{value:,}"
    return "" if value is None else clean(str(value))


def print_plans(out: Console, plans: Iterable[Plan]) -> None:
    """The published plans, a row each."""
    shown = Table(box=SIMPLE_HEAD)
    shown.add_column("plan", no_wrap=True)
    shown.add_column("vendor", no_wrap=True)
    shown.add_column("counts")
    shown.add_column("windows")
    for plan in plans:
        shown.add_row(plan.id, plan.vendor or "any", in_words(plan.meter), windows_in_words(plan))
    show(out, shown)


def print_windows(out: Console, windows: Sequence[Window], zone: str) -> None:
    """The windows of a term, in local dates."""
    for window in windows[:ROWS_MAX]:
        say(out, f"window {window.number}: {from_until(window, window, zone)}")
    if len(windows) > ROWS_MAX:
        say(out, f"and {len(windows) - ROWS_MAX:,} more")


def print_sources(out: Console, sources: Sequence[SourceCoverage]) -> None:
    """From when to when each source has facts, and where one seems to be missing some."""
    for source in sources:
        name = f"source {source.source}" if source.source else "facts"
        say(out, f"{name}: {source.facts:,} from {iso(source.first_us)} to {iso(source.last_us)}")
        for gap in source.gaps:
            first, last = from_us(gap.from_us).date(), (from_us(gap.to_us) - timedelta(days=1)).date()
            say(out, f"  none from {first} to {last}, though it has some nearly every day: is an export missing?")


def print_dispositions(out: Console, dispositions: Mapping[str, int], rejected: int, rows: int) -> None:
    """What became of every row, adding up to the rows that came in."""
    shown = Table(box=None, show_header=False, padding=(0, 2, 0, 0))
    shown.add_column(justify="right", no_wrap=True)
    shown.add_column(no_wrap=True)
    shown.add_column()
    for disposition, count in dispositions.items():
        shown.add_row(f"{count:,}", disposition, DISPOSITIONS[disposition])
    if rejected:
        shown.add_row(f"{rejected:,}", "rejected", "cannot be used as it stands: see the problems above")
    shown.add_row(f"{rows:,}", "rows in", "all of the above together")
    show(out, shown)


def with_names(table: pa.Table, named: Named) -> pa.Table:
    """The table by learner with a last column `name`, what people call the unit. A guest has none."""
    units = zip(table.column("unit").to_pylist(), table.column("kind").to_pylist(), strict=True)
    names = [named(unit) if kind == "learner" else "" for unit, kind in units]
    return table.append_column("name", pa.array(names, pa.string()))
