"""Reports on a terminal: the heading, the rows, and how many more there are."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from itertools import groupby

import pyarrow as pa
from rich.box import SIMPLE_HEAD
from rich.console import Console
from rich.table import Table
from rich.text import Text

from rollbook.render.about import About
from rollbook.render.page import NUMERIC, cell
from rollbook.render.terminal import ROWS_MAX, say, show
from rollbook.render.words import in_words, title
from rollbook.reports.columns import TEXT, WINDOW
from rollbook.reports.named import Report

TEXT_WIDTH = 24
"""Text may be broken where it is longer than this."""


def print_report(out: Console, table: pa.RecordBatchReader, about: About) -> None:
    """The first rows of a report, with local dates.

    What is the same in all rows is said once, what is empty in all is left out; a window with several rows becomes a
    heading. No figure is ever cut: where a terminal is too narrow, it breaks the lines.
    """
    say(out, about.title, bold=True)
    say(out, title(about.subscription, about.as_of_us))
    say(out, f"counts {in_words(about.subscription.plan.meter)}")
    if about.incomplete:
        say(out, f"INCOMPLETE: {about.incomplete}")
    kinds = [field.metadata[b"kind"].decode() for field in table.schema]
    names = [name.replace("_", " ") for name in table.schema.names]
    rows, total = _first_rows(table, kinds, about.subscription.zone)
    alike = {n for n, kind in enumerate(kinds) if kind == TEXT and len({row[n] for row in rows}) == 1}
    said = [f"{names[n]} {rows[0][n]}" for n in sorted(alike) if rows[0][n]]
    if said:
        say(out, f"in all rows: {', '.join(said)}")
    kept = [n for n in range(len(names)) if n not in alike and (not rows or any(row[n] for row in rows))]
    if names[:3] == [*WINDOW] and len({row[0] for row in rows}) < len(rows):
        for _, group in groupby(rows, key=lambda row: row[0]):
            of_window = list(group)
            number, start, end = of_window[0][:3]
            say(out, "")
            say(out, f"window {number}: {start} until {end} (excluded)", bold=True)
            _show(out, [n for n in kept if n > 2], names, kinds, of_window)  # noqa: PLR2004 - after the window itself
    else:
        _show(out, kept, names, kinds, rows)
    for note in about.notes and ("", *about.notes):
        say(out, note)
    if total > len(rows):
        say(out, f"{total - len(rows):,} more rows: --format csv prints them all")


def _first_rows(table: pa.RecordBatchReader, kinds: Sequence[str], zone: str) -> tuple[list[list[str]], int]:
    rows: list[list[str]] = []
    total = 0
    for batch in table:
        total += batch.num_rows
        columns = [column.to_pylist() for column in batch.slice(0, max(ROWS_MAX - len(rows), 0)).columns]
        rows += [
            [cell(value, kind, zone) for value, kind in zip(row, kinds, strict=True)]
            for row in zip(*columns, strict=True)
        ]
    return rows, total


def _show(out: Console, kept: Sequence[int], names: Sequence[str], kinds: Sequence[str], rows: list[list[str]]) -> None:
    shown = Table(box=SIMPLE_HEAD, pad_edge=False, padding=(0, 1, 0, 0))
    needed = 1
    for n in kept:
        words = names[n].split()
        longest = max((len(row[n]) for row in rows), default=0)
        width = max(min(longest, TEXT_WIDTH) if kinds[n] == TEXT else longest, *(len(word) for word in words))
        needed += width + 2
        shown.add_column(
            "\n".join(words) if kinds[n] in NUMERIC else names[n],
            justify="right" if kinds[n] in NUMERIC else "left",
            overflow="fold",
            min_width=width,
            vertical="top",
        )
    for row in rows:
        shown.add_row(*(Text(row[n]) for n in kept))
    before = out.width
    out.width = max(before, needed)
    show(out, shown)
    out.width = before


def print_reports(out: Console, reports: Iterable[Report]) -> None:
    """Every report: what it is for, and the columns of each of its shapes."""
    for report in reports:
        say(out, f"{report.name}: {report.title}", bold=True)
        say(out, f"  {report.purpose}")
        for shape in report.shapes:
            of = f", {shape.plans}" if shape.plans else ""
            say(out, f"  by {shape.by}{of}")
            listed = Table(box=None, show_header=False, padding=(0, 2, 0, 0))
            listed.add_column(no_wrap=True)
            listed.add_column()
            for name, column in shape.columns.items():
                listed.add_row(f"    {name}", Text(column.meaning))
            show(out, listed)
        say(out, "")
