"""A plan's cases, run: whom the plan counts in each window, against what a person worked out by hand.

A case is a folder: a subscription, facts, and who is active in each window of the term. Any text of a plan may be held
against the cases of a published one, to see what a change does. It is counted by the reference, and bounded: cases are
small, each knows no more than its own facts, and none begins once the time is over.
"""

from __future__ import annotations

import csv
import time
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from functools import cache
from importlib.resources.abc import Traversable

from rollbook.errors import RollbookError
from rollbook.metering import reference
from rollbook.metering.calendar import windows
from rollbook.metering.outcome import Activation
from rollbook.model.fact import Fact
from rollbook.model.instants import to_us
from rollbook.model.plan import Plan
from rollbook.model.subscription import Subscription
from rollbook.model.subscription_file import parse_subscription
from rollbook.model.window import Window
from rollbook.plans import find_plan, folder

AS_OF_US = to_us(datetime.fromisoformat("2100-01-01T00:00:00Z"))
"""Long after every case, so that what is still open lasts to the end of its term."""

NOT_OF_A_FACT = frozenset({"why", "becomes", "arrives", "occurred_at", "recorded_at"})
"""Columns of facts.csv that are told, or read otherwise."""

WINDOWS_MAX = 400
"""Windows of one case that are counted."""


@dataclass(frozen=True, slots=True)
class Case:
    """One folder, read. `expected` is by window: who is active, as the file writes it, and why."""

    name: str
    subscription: str
    facts: tuple[Fact, ...]
    expected: dict[int, tuple[str, str]]


@dataclass(frozen=True, slots=True)
class Line:
    """One window where the plan counts otherwise: who was expected, who is found, and why that was expected."""

    window: Window | None
    expected: str
    found: str
    why: str


@dataclass(frozen=True, slots=True)
class Ran:
    """What became of a case: how many windows it has, and those that differ.

    problem  why it could not be run, in words; empty where it was
    in_time  whether it was begun at all
    """

    name: str
    windows: int = 0
    zone: str = "UTC"
    differing: tuple[Line, ...] = ()
    problem: str = ""
    in_time: bool = True

    @property
    def holds(self) -> bool:
        """Whether the plan counts as the case says."""
        return self.in_time and not self.differing and not self.problem

    @property
    def title(self) -> str:
        """Its name as a sentence."""
        words = self.name.replace("-", " ")
        return words[:1].upper() + words[1:]


@cache
def cases(plan_id: str) -> tuple[Case, ...]:
    """The cases of a published plan, by name; none of a plan that is not published."""
    there = folder(plan_id) / "cases" if plan_id.replace("-", "").isalnum() else None
    if there is None or not there.is_dir():
        return ()
    return tuple(_read(it) for it in sorted(there.iterdir(), key=lambda it: it.name) if it.is_dir())


def run_all(plan: Plan, of: str, seconds: float = 1.0) -> Iterator[Ran]:
    """Runs the cases of the published plan `of` under a plan. After so many seconds none is begun any more."""
    until = time.monotonic() + seconds
    for case in cases(of):
        yield run(case, plan, of) if time.monotonic() < until else Ran(case.name, in_time=False)


def run(case: Case, plan: Plan, of: str) -> Ran:
    """Runs one case; where it names the plan `of`, that is `plan`."""
    try:
        subscription = parse_subscription(case.subscription, lambda name: plan if name == of else find_plan(name))
        term = windows(subscription)
        if len(term) > WINDOWS_MAX:
            return Ran(case.name, len(term), problem=f"its term would have {len(term):,} windows")
        return _compared(case, subscription, term)
    except RollbookError as error:
        return Ran(case.name, problem=str(error))
    except (OverflowError, ValueError):  # of dates beyond the calendar
        return Ran(case.name, problem="its term does not fit into the calendar")


def _compared(case: Case, subscription: Subscription, term: tuple[Window, ...]) -> Ran:
    active: dict[int, list[Activation]] = {}
    for it in reference.meter(case.facts, subscription, AS_OF_US).activations:
        active.setdefault(it.window, []).append(it)
    by_number = {it.number: it for it in term}
    lines = []
    for number in sorted({*by_number, *case.expected}):
        expected, why = case.expected.get(number, ("", ""))
        found = _who(active.get(number, []))
        if Counter(expected.split()) != Counter(found.split()):
            lines.append(Line(by_number.get(number), expected, found, why))
    return Ran(case.name, len(term), subscription.zone, tuple(lines))


def _who(active: list[Activation]) -> str:
    """Units with their proving facts, as expected.csv writes them."""
    return " ".join(
        _unit(it) for it in sorted(active, key=lambda it: (it.first_us, it.source.encode(), it.fact.encode()))
    )


def _unit(it: Activation) -> str:
    if it.guest:
        return f"guest:{it.fact}" if it.unit == it.fact else f"guest {it.unit}:{it.fact}"
    return f"{it.unit}/{it.object}:{it.fact}" if it.object else f"{it.unit}:{it.fact}"


def _read(there: Traversable) -> Case:
    return Case(
        name=there.name,
        subscription=(there / "subscription.toml").read_text(encoding="utf-8"),
        facts=tuple(_facts(_rows(there / "facts.csv"))),
        expected={int(it["window"]): (it["who"], it["why"]) for it in _rows(there / "expected.csv")},
    )


def _rows(file: Traversable) -> list[dict[str, str]]:
    return list(csv.DictReader(file.read_text(encoding="utf-8").splitlines()))


def _facts(rows: list[dict[str, str]]) -> Iterator[Fact]:
    """Facts to meter: without repetitions, and without those that contradict each other."""
    by_key: dict[tuple[str, str], set[Fact]] = {}
    for row in rows:
        text = {name: value for name, value in row.items() if value and name not in NOT_OF_A_FACT}
        fact = Fact(at_us=to_us(datetime.fromisoformat(row["occurred_at"])), **text)  # type: ignore[arg-type]
        by_key.setdefault(fact.key, set()).add(fact)
    return (next(iter(it)) for it in by_key.values() if len(it) == 1)
