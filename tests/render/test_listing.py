"""Reports on a terminal: no figure is cut, and what is the same everywhere is said once."""

from __future__ import annotations

import io
from datetime import UTC, datetime
from decimal import Decimal

from rich.console import Console

from rollbook.render.listing import print_report
from rollbook.render.terminal import ROWS_MAX
from rollbook.reports.columns import INSTANT, TEXT, Column

from .reading import COLUMNS, about, table

WINDOWED = {
    "window": Column("its number"),
    "start": Column("from", INSTANT),
    "end": Column("until", INSTANT),
    "learner": Column("who", TEXT),
    "source": Column("whence", TEXT),
}
JANUARY = (datetime(2026, 1, 1, tzinfo=UTC), datetime(2026, 2, 1, tzinfo=UTC))
ROW = (1234567, 33.3, 1.5, Decimal("1234.50"), "zoë", datetime(2026, 1, 5, 8, 30, tzinfo=UTC), True)
OTHER = (2, 0.0, 0.5, Decimal("0.00"), "ann", None, False)


def printed(*rows: tuple[object, ...], columns: dict[str, Column] = COLUMNS, width: int = 120) -> str:
    out = Console(file=io.StringIO(), width=width)
    print_report(out, table(*rows, columns=columns), about())
    return out.file.getvalue()


def test_no_figure_is_cut_however_narrow_the_terminal() -> None:
    shown = printed(ROW, OTHER, width=20)
    line = next(line for line in shown.splitlines() if "1,234,567" in line)
    assert line.split() == ["1,234,567", "33.3", "%", "1.5", "1,234.50", "zoë", "2026-01-05", "08:30", "yes"]


def test_what_is_the_same_in_all_rows_is_said_once() -> None:
    shown = printed(ROW, ROW)
    assert shown.count("zoë") == 1
    assert "in all rows: learner zoë" in shown


def test_a_window_with_several_rows_is_a_heading() -> None:
    rows = [(1, *JANUARY, who, "lms") for who in ("ann", "bob")]
    shown = printed(*rows, columns=WINDOWED)
    assert shown.count("window 1: 2026-01-01 until 2026-02-01 (excluded)") == 1
    assert [line.strip() for line in shown.splitlines()[-2:]] == ["ann", "bob"]


def test_windows_with_one_row_each_are_rows() -> None:
    rows = [(number, *JANUARY, who, "lms") for number, who in ((1, "ann"), (2, "bob"))]
    last = printed(*rows, columns=WINDOWED).splitlines()[-1]
    assert last.split() == ["2", "2026-01-01", "2026-02-01", "bob"]


def test_a_terminal_shows_a_thousand_rows_and_says_how_many_more_there_are() -> None:
    shown = printed(*[(n, None, None, None, f"learner-{n}", None, False) for n in range(ROWS_MAX + 5)])
    assert f"learner-{ROWS_MAX - 1}" in shown
    assert f"learner-{ROWS_MAX} " not in shown
    assert "5 more rows: --format csv prints them all" in shown
