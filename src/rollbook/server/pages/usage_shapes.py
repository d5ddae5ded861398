"""The chart and the table of a plan, in its shape (S-21): seats, a pool of the term, or an allowance for each window.

Everything is read off the account; here it only gets places and words.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from django.utils.translation import gettext

from rollbook.accounting.account import Account
from rollbook.accounting.consumption import Consumption
from rollbook.accounting.seats import Seats
from rollbook.metering.outcome import CLASSES
from rollbook.model.window import Window
from rollbook.reports import consumption
from rollbook.reports.outline import Point, pool, seats_held
from rollbook.server.pages import charts, reading
from rollbook.server.pages.charts import Chart, Column, Curve

SEATS, CREDITS, POOL, CLASSED, ALLOWANCE = "seats", "credits", "pool", "classes", "allowance"


@dataclass(frozen=True, slots=True)
class Row:
    """One row of the table: its window, a pool where there are several, and cells (label, value, kind)."""

    window: Window
    pool: str
    cells: tuple[tuple[str, Any, str], ...]
    now: bool


@dataclass(frozen=True, slots=True)
class Shaped:
    """What is drawn and listed of a plan; `heads` are the labels of the table's columns."""

    shape: str
    charts: tuple[Chart, ...]
    heads: tuple[str, ...]
    rows: tuple[Row, ...]
    months: tuple[Seats, ...] = ()


def shape_of(found: Account) -> str:
    """Which shape a plan has."""
    plan = found.subscription.plan
    if plan.allowance.per == "held":
        return SEATS
    if plan.allowance.per == "term":
        # Credits are spent, and what is left of them is asked for; a pool is a ceiling, and how near it is.
        return CREDITS if plan.limit.policy == "bill" else POOL
    return CLASSED if plan.meter.holds else ALLOWANCE


def shaped(found: Account) -> Shaped:
    """The chart and the table of an account."""
    shape = shape_of(found)
    if shape == SEATS:
        months = consumption.seats_by_month(found)
        return Shaped(shape, (_seats_chart(found, seats_held(found)),), *_table(_month_rows(months)), months)
    drawn: list[Chart] = []
    if shape == CREDITS:
        drawn.append(_balance_chart(found))
    if shape == POOL:
        drawn.append(_pool_chart(found))
    drawn.append(_windows_chart(found, shape))
    return Shaped(shape, tuple(drawn), *_table(_window_rows(found, shape)))


Line = tuple[Window, str, bool, dict[str, tuple[Any, str]]]
"""A window, its pool, whether it runs, and its cells."""


def _table(lines: Iterator[Line]) -> tuple[tuple[str, ...], tuple[Row, ...]]:
    listed = list(lines)
    # A column in which nothing ever happened says nothing.
    silent = {gettext("Guests"), gettext("Carried in"), gettext("Expired"), gettext("Awaiting")}
    heads = [
        head
        for head in (listed[0][3] if listed else {})
        if head not in silent or any(cells[head][0] for _, _, _, cells in listed)
    ]
    rows = [
        Row(window, pool_, tuple((head, *cells[head]) for head in heads), now) for window, pool_, now, cells in listed
    ]
    return tuple(heads), tuple(reversed(rows))


def _month_rows(months: Sequence[Seats]) -> Iterator[Line]:
    for it in months:
        yield (
            it.window,
            "",
            it.is_open,
            {
                gettext("Seats"): (it.quantity, "number"),
                gettext("Held at the start"): (it.held_at_start, "number"),
                gettext("Taken"): (it.taken, "number"),
                gettext("Released"): (it.released, "number"),
                gettext("Held at the end"): (it.held_at_end, "number"),
                gettext("Most at once"): (it.peak, "number"),
                gettext("Awaiting"): (it.awaiting, "number"),
                gettext("Free"): (it.available, "left"),
            },
        )


def _window_rows(found: Account, shape: str) -> Iterator[Line]:
    for it in found.consumption:
        used, included = found.compared(it)
        cells: dict[str, tuple[Any, str]] = {}
        if shape == CLASSED:
            for class_, words in _classes():
                cells[words] = (getattr(it, class_), "number")
        cells[gettext("Active")] = (it.active, "strong")
        cells[gettext("Guests")] = (it.guests, "number")
        if it.per_term:
            cells[gettext("Carried in")] = (it.carried, "number")
            cells[gettext("Used so far")] = (used, "number")
        cells[gettext("Included")] = (included, "number")
        cells[gettext("Left")] = (it.available, "left")
        if it.per_term or found.subscription.plan_at(it.window.start_us).allowance.rollover_windows:
            cells[gettext("Expired")] = (it.expired, "number")
        if found.currency:
            costs = consumption.costs(found, it)
            cells[gettext("Costs")] = (f"{costs.amount:f}" if costs else None, "money")
        yield it.window, it.pool, it.is_open, cells


def _classes() -> tuple[tuple[str, str], ...]:
    words = {"new": gettext("New"), "continuing": gettext("Continuing"), "reactivated": gettext("Reactivated")}
    return tuple((class_, words[class_]) for class_ in CLASSES)


def _monthly(found: Account) -> bool:
    return found.subscription.plan.window.kind.endswith("month")


def _windows_chart(found: Account, shape: str) -> Chart:
    zone = found.subscription.zone
    own_limit = shape in (ALLOWANCE, CLASSED)
    drawn, said = [], []
    labels = reading.starts((it.start_us for it in found.windows), zone)
    for window, label in zip(found.windows, labels, strict=True):
        used = found.of(window.number)
        limit = sum(it.allowance for it in used) if used and own_limit else _latest_limit(found) if own_limit else None
        is_open = any(it.is_open for it in used)
        drawn.append(Column(label, _parts(used, shape), limit or None, marked=is_open, coming=not used))
        if used:
            said.append(f"{label}: {reading.number(sum(it.active for it in used))}")
    legend = [(f"s-{name}", words) for name, words in _classes()] if shape == CLASSED else []
    if shape == ALLOWANCE:
        legend.append(("s-used", gettext("Within what is included")))
        if any(it.overage for it in found.consumption):
            legend.append(("s-over", gettext("Beyond it")))
    if shape in (CREDITS, POOL):
        legend.append(
            ("s-used", gettext("Active in the month") if _monthly(found) else gettext("Active in the period"))
        )
    if shape != CLASSED and any(it.marked for it in drawn):
        legend.append(("s-open", gettext("Still running")))
    if any(it.limit for it in drawn):
        base = gettext("Base subscription") if shape == CLASSED else gettext("Included")
        legend.append(("s-limit", base))
    title = gettext("Active in each month") if _monthly(found) else gettext("Active in each period")
    return charts.columns("by-window", title, "; ".join(said), drawn, legend)


def _latest_limit(found: Account) -> int | None:
    """Of windows to come, what is agreed now."""
    last = found.consumption[-1].window.number if found.consumption else None
    return sum(it.granted for it in found.of(last)) if last else None


def _parts(used: Sequence[Consumption], shape: str) -> tuple[tuple[str, int], ...]:
    if shape == CLASSED:
        order = ("continuing", "reactivated", "new")
        return tuple((f"s-{name}", sum(getattr(it, name) for it in used)) for name in order)
    inside = "s-open" if any(it.is_open for it in used) else "s-used"
    if shape == ALLOWANCE and any(it.allowance for it in used):
        return (inside, sum(it.included for it in used)), ("s-over", sum(it.overage for it in used))
    return ((inside, sum(it.active for it in used)),)


def _pool_chart(found: Account) -> Chart:
    points = pool(found)
    last = points[-1]
    place = _Places(found)
    pace = Curve("s-pace", ((0.0, 0), (1.0, last.limit)))
    curves = [
        Curve("s-limit", (*((place(it.at), it.limit) for it in points), (1.0, last.limit)), stepped=True),
        pace,
        Curve("s-used", tuple((place(it.at), it.units) for it in points), filled=True, ends=True),
    ]
    words = gettext("%(used)s of %(included)s used by %(day)s") % _said(found, last)
    legend = (
        ("line s-used", gettext("Used so far")),
        ("s-limit", gettext("Included in the term")),
        ("s-pace", gettext("Even use")),
    )
    return charts.curves("pool", gettext("Used of the term's pool"), words, curves, place.labels(), legend)


def _balance_chart(found: Account) -> Chart:
    """What is left after each window: it carries over from one to the next, and what is left at the end expires."""
    points = pool(found)
    last = points[-1]
    place = _Places(found)
    balance = tuple((place(it.at), max(it.limit - it.units, 0)) for it in points)
    curves = [
        Curve("s-pace", ((0.0, last.limit), (1.0, 0))),
        Curve("s-used", balance, filled=True, ends=True),
    ]
    words = gettext("%(left)s of %(included)s left on %(day)s") % _said(found, last)
    legend = (("line s-used", gettext("Credits left")), ("s-pace", gettext("Even use")))
    return charts.curves("balance", gettext("Credits left"), words, curves, place.labels(), legend)


def _seats_chart(found: Account, points: Sequence[Point]) -> Chart:
    place = _Places(found)
    last = points[-1]
    curves = [
        Curve("s-limit", (*((place(it.at), it.limit) for it in points), (1.0, last.limit)), stepped=True),
        Curve("s-used", tuple((place(it.at), it.units) for it in points), stepped=True, filled=True, ends=True),
    ]
    words = gettext("%(used)s of %(included)s held on %(day)s") % _said(found, last)
    legend = (("line s-used", gettext("Seats held")), ("s-limit", gettext("Seats there are")))
    return charts.curves("seats", gettext("Seats held"), words, curves, place.labels(), legend)


def _said(found: Account, last: Point) -> dict[str, str]:
    return {
        "used": reading.number(last.units),
        "left": reading.number(max(last.limit - last.units, 0)),
        "included": reading.number(last.limit),
        "day": reading.moment(last.at, found.subscription.zone),
    }


class _Places:
    """Where an instant stands across a chart of the term."""

    def __init__(self, found: Account) -> None:
        self.found = found
        self.start, self.end = found.windows[0].start, found.windows[-1].end

    def __call__(self, at: datetime) -> float:
        return min((at - self.start) / (self.end - self.start), 1.0)

    def labels(self) -> list[tuple[float, str]]:
        """Where windows, or the months of a term that is not cut, begin."""
        months = list(consumption.months(self.found.subscription))
        words = reading.starts((it.start_us for it in months), self.found.subscription.zone)
        return [(self(it.start), label) for it, label in zip(months, words, strict=True)]
