"""The reports by name: what each is for, at which levels it exists, and how a plan shapes it."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from rollbook.accounting.account import Account, Ask
from rollbook.errors import Problem, UsageError
from rollbook.model.keys import nearest
from rollbook.model.plan import Plan
from rollbook.reports import consumption, events, groups, guests, people, usage
from rollbook.reports.columns import Column

Answer = str | Sequence[tuple[object, ...]]
"""Rows, or the SQL of the rows where they may be many."""

COMPANY, LEARNER = "company", "learner"
LEVELS = (COMPANY, LEARNER)
"""A row for each window of the whole customer, or for each learner (S-28)."""


@dataclass(frozen=True, slots=True)
class Shape:
    """One table of a report.

    by       one of `LEVELS`
    plans    which plans it is for, in words; empty for all
    applies  the same as a question
    columns  name → meaning and kind, in order
    notes    sentences to be read beside the rows
    answer   the rows, from the account and from the relations that metering leaves (`engines.metered`)
    """

    by: str
    columns: Mapping[str, Column]
    answer: Callable[[Account, Ask], Answer]
    plans: str = ""
    applies: Callable[[Plan], bool] = lambda _: True
    notes: Callable[[Account, Ask], Sequence[str]] = lambda _account, _ask: ()


@dataclass(frozen=True, slots=True)
class Report:
    """A named table, or several: one by level and kind of plan."""

    name: str
    title: str
    purpose: str
    shapes: tuple[Shape, ...]

    @property
    def levels(self) -> tuple[str, ...]:
        """The levels at which it exists, its usual one first."""
        return tuple(dict.fromkeys(shape.by for shape in self.shapes))

    def shape(self, plan: Plan, by: str = "") -> Shape:
        """The table for a plan at a level; without one, at its usual level. Raises UsageError where there is none."""
        level = by or self.levels[0]
        if level not in self.levels:
            others = [it.name for it in REPORTS.values() if level in it.levels]
            rule = f"{self.name} has no rows by {level}"
            remedy = f"use {' or '.join(others)}" if others else f"use {' or '.join(LEVELS)}"
            raise UsageError(Problem("--by", rule, remedy))
        return next(it for it in self.shapes if it.by == level and it.applies(plan))


def _held(plan: Plan) -> bool:
    return plan.allowance.per == "held"


def _term(plan: Plan) -> bool:
    return plan.allowance.per == "term"


def _window(plan: Plan) -> bool:
    return plan.allowance.per == "window"


def _spans(plan: Plan) -> bool:
    return plan.meter.holds is not None


def _instants(plan: Plan) -> bool:
    return plan.meter.holds is None


REPORTS: Mapping[str, Report] = {
    report.name: report
    for report in (
        Report(
            "usage",
            "Active Learner Usage",
            "how many were active in each window, how much of what is included the term has used so far, and all time",
            (Shape(COMPANY, usage.COLUMNS, usage.rows),),
        ),
        Report(
            "mau",
            "Monthly Active Users",
            "who was active in each window, against the allowance",
            (
                Shape(COMPANY, usage.ACTIVE_COLUMNS, usage.active_rows),
                Shape(LEARNER, people.ACTIVE_COLUMNS, people.active_sql),
            ),
        ),
        Report(
            "consumption",
            "Consumption",
            "what was included, used, left over and paid beyond, month by month, in the shape of the plan",
            (
                Shape(COMPANY, consumption.SEATS, consumption.seat_rows, "plans for seats", _held),
                Shape(COMPANY, consumption.CREDITS, consumption.credit_rows, "plans with a pool for the term", _term),
                Shape(COMPANY, consumption.ALLOWANCE, consumption.allowance_rows, "plans per window", _window),
            ),
        ),
        Report(
            "users",
            "Users",
            "how each learner stands in the term: a status and no log of actions",
            (
                Shape(LEARNER, people.USED_COLUMNS, people.used_sql, "plans that count what happens", _instants),
                Shape(LEARNER, people.HELD_COLUMNS, people.held_sql, "plans that count a state", _spans),
            ),
        ),
        Report(
            "metering-events",
            "Active Learner Metering Events",
            "who became active, went on or ceased to be, and when: New, Continuing or Reactivated",
            (
                Shape(LEARNER, events.COLUMNS, events.state_sql, "plans that count a state", _spans),
                Shape(LEARNER, events.COLUMNS, events.deed_sql, "plans that count what happens", _instants),
                Shape(COMPANY, events.COUNTS, events.counts_sql),
            ),
        ),
        Report(
            "status",
            "Active Learner Status",
            "of each learner in each window whether active, since when and by which fact, to lay beside another's list",
            (Shape(LEARNER, people.STATUS_COLUMNS, people.status_sql),),
        ),
        Report(
            "guests",
            "Guests",
            "how many entries were of guests, and what would be saved if these people had accounts",
            (
                Shape(COMPANY, guests.COLUMNS, guests.rows),
                Shape(LEARNER, guests.ENTRIES, guests.entries_sql),
            ),
        ),
        Report(
            "groups",
            "Groups",
            "how many of each group were active, nested ones included, and why they may add up to more than the total",
            (Shape(COMPANY, groups.COLUMNS, groups.rows, notes=groups.notes),),
        ),
    )
}


def find(name: str) -> Report:
    """The report of this name; raises UsageError with the nearest one."""
    if name not in REPORTS:
        rule = f'there is no report "{name}"{nearest(name, REPORTS)}'
        raise UsageError(Problem("report", rule, "use one of " + ", ".join(REPORTS)))
    return REPORTS[name]
