"""What a statement's record says, in words and with its figures as they stand in it; closed or a preview."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from django.utils.translation import gettext, gettext_lazy, ngettext

from rollbook.accounting.statement import active
from rollbook.render.statement_words import parts_in_words
from rollbook.server.pages import reading

SEATS = (
    ("quantity", gettext_lazy("Seats")),
    ("held_at_start", gettext_lazy("Held at the start")),
    ("taken", gettext_lazy("Taken")),
    ("released", gettext_lazy("Released")),
    ("held_at_end", gettext_lazy("Held at the end")),
    ("peak", gettext_lazy("Most at once")),
    ("overage", gettext_lazy("Beyond")),
)
USED = (
    ("active", gettext_lazy("Active")),
    ("new", gettext_lazy("New")),
    ("continuing", gettext_lazy("Continuing")),
    ("reactivated", gettext_lazy("Reactivated")),
    ("allowance", gettext_lazy("Included")),
    ("included", gettext_lazy("Within it")),
    ("overage", gettext_lazy("Beyond")),
)
"""What the table of a statement has, in order: name in the record, and heading."""

Instants = tuple[datetime, datetime]


@dataclass(frozen=True, slots=True)
class Line:
    """One line of money: what for, units (with sign where they correct), at which rates, due when, how much."""

    words: str
    units: int
    rates: str
    due: datetime | None
    amount: str | None


@dataclass(frozen=True, slots=True)
class Correction:
    """What is booked for windows that were closed before: (window, statement that closed it) each, and its lines."""

    windows: list[tuple[int, int | None]]
    words: str
    lines: list[Line]


def shown(record: Mapping[str, Any], closed_in: Mapping[int, int]) -> dict[str, Any]:
    """What templates show of a record. `closed_in` is `billing.statements.closed_in`."""
    seats = record["seats"]
    names = SEATS if seats else USED
    rows = [seats] if seats else record["consumption"]
    return {
        "record": record,
        "window": window_of(record),
        "as_of": datetime.fromisoformat(record["as_of"]),
        "active": active(record),
        "heads": [label for _, label in names],
        "used": [(it.get("pool", ""), [(label, it[name]) for name, label in names]) for it in rows],
        "pools": any(it["pool"] for it in record["consumption"]) and not seats,
        "lines": [_charge(it, record) for it in record["charges"]],
        "corrections": [_correction(it, record, closed_in) for it in record["adjustments"]],
    }


def window_of(record: Mapping[str, Any]) -> Instants | None:
    """Its first instant and the first after it; None for a note after the term."""
    window = record["window"]
    return (datetime.fromisoformat(window["start"]), datetime.fromisoformat(window["end"])) if window else None


def _charge(charge: Mapping[str, Any], record: Mapping[str, Any]) -> Line:
    words = what_for(charge, record)
    if charge.get("minimum"):
        least = gettext("of these %(n)s up to the minimum") % {"n": reading.number(charge["minimum"])}
        words = f"{words} ({least})"
    rates = parts_in_words(charge, record["currency"], str(reading.locale())) if record["currency"] else ""
    return Line(words, charge["units"], rates, datetime.fromisoformat(charge["due"]), charge["amount"])


def _correction(it: Mapping[str, Any], record: Mapping[str, Any], closed_in: Mapping[int, int]) -> Correction:
    lines = [
        Line(
            gettext("Period %(window)s: %(what)s") % {"window": moved["window"], "what": what_for(moved, record)},
            moved["units"],
            "",
            None,
            moved["amount"],
        )
        for moved in it["charges"]
    ]
    return Correction([(n, closed_in.get(n)) for n in it["windows"]], ", ".join(_changed(it)), lines)


def _changed(it: Mapping[str, Any]) -> Iterator[str]:
    """Who came in or went out, in words."""
    if it["added"]:
        n = reading.number(it["added"])
        yield ngettext("%(n)s more counted", "%(n)s more counted", it["added"]) % {"n": n}
    if it["removed"]:
        n = reading.number(it["removed"])
        yield ngettext("%(n)s counts no more", "%(n)s count no more", it["removed"]) % {"n": n}
    if not it["added"] and not it["removed"]:
        yield gettext("the same people counted, at another price")


def what_for(line: Mapping[str, Any], record: Mapping[str, Any]) -> str:
    """What money is for."""
    agreed, kind = record["agreed"], line["kind"]
    if kind == "overage" and not agreed["plan"]["allowance"]["quantity"] and not agreed["quantities"]:
        words = gettext("Active learners")
    elif kind == "base-added" and line["units"] < 0:
        words = gettext("Given back while the period ran")
    else:
        words = {
            "base": gettext("Bought"),
            "base-added": gettext("Bought while the period ran"),
            "overage": gettext("Beyond what is included"),
        }[kind]
    return f"{words}, {line['pool']}" if line["pool"] else words
