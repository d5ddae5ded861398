"""Terms of a customer as bars over time: geometry alone, see `charts`.

Whether a term is over, runs or is to come is its colour; what the customer is not shown is hollow, and says so: a pilot
with long dashes, all else with dots.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, date, timedelta

from django.utils.translation import gettext, gettext_lazy

from rollbook.model.instants import from_us
from rollbook.server import clock
from rollbook.server.live import contracts
from rollbook.server.models import Subscription
from rollbook.server.models.contracts import INTERNAL, PAID, PILOT, SHADOW

ROW, BAR, TOP = 34, 14, 26
"""Pixels: of a term, of its bar, and above the first."""

KINDS = {PILOT: gettext_lazy("Pilot"), INTERNAL: gettext_lazy("Internal"), SHADOW: gettext_lazy("Shadow")}
"""What is said of those that are not paid."""

YEARS_MAX = 12
"""Years that are drawn: what is older begins at the edge."""


@dataclass(frozen=True, slots=True)
class Term:
    """One bar: where it begins, its width, its classes, and the plan above it, with what is special about it."""

    x: str
    width: str
    bar: int
    kind: str
    words: str
    note: str


@dataclass(frozen=True, slots=True)
class Timeline:
    """Bars, lines at which years begin, and now."""

    terms: tuple[Term, ...]
    years: tuple[tuple[str, str], ...]
    now: str
    height: int
    zone: str


def timeline(rows: Sequence[Subscription]) -> Timeline:
    """The terms, the latest above. `rows` have their plans at hand."""
    today = from_us(clock.now_us()).astimezone(UTC).date()
    last = max([today + timedelta(days=30), *(it.end for it in rows)])
    first = max(min([today, *(it.start for it in rows)]), date(max(last.year - YEARS_MAX, 1), 1, 1))
    days = max((last - first).days, 1)

    def across(day: date) -> float:
        return min(max((day - first).days / days, 0.0), 1.0) * 100

    terms = []
    for place, it in enumerate(rows):
        left, right, y = across(it.start), across(it.end), TOP + place * ROW
        terms.append(
            Term(
                x=f"{left:.2f}%",
                width=f"{max(right - left, 0.4):.2f}%",
                bar=y + ROW - BAR - 4,
                kind=_kind(it, today),
                words=contracts.plan_of(it.plan).title,
                note=_note(it),
            )
        )
    years = [
        (f"{across(date(year, 1, 1)):.2f}%", str(year))
        for year in range(first.year + 1, last.year + 1)
        if 3 < across(date(year, 1, 1)) < 94  # noqa: PLR2004 - their words stay inside
    ]
    return Timeline(tuple(terms), tuple(years), f"{across(today):.2f}%", TOP + len(rows) * ROW + 4, "UTC")


def _kind(row: Subscription, today: date) -> str:
    state = "over" if row.end <= today else "coming" if row.start > today else "running"
    return f"{state} pilot" if row.kind == PILOT else f"{state} unseen" if _is_unseen(row) else state


def _is_unseen(row: Subscription) -> bool:
    return row.kind != PAID or not contracts.plan_of(row.plan).governance.visible_to_customer


def _note(row: Subscription) -> str:
    words = [gettext("Not shown to the customer")] if row.kind == PAID and _is_unseen(row) else []
    words += [str(KINDS[row.kind])] if row.kind in KINDS else []
    words += [gettext("On hold")] if row.close_on_hold else []
    return " · ".join(words)
