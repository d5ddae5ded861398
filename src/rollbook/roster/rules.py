"""Enrolment rules (W-07) and learn cycles (W-31), declared in a file: what is to happen to enrolments, and when.

    budget_learners_active = 25

    [[rule]]
    name = "Enable at the start"
    when = "begins"
    do = "enable"

    [[cycle]]
    name = "Short courses"
    courses = ["Maths", "Art"]

    [[cycle.steps]]
    when = "idle"
    days = 30
    do = "disable"

A rule is a cycle of one step. An unknown key is a problem that names the nearest known one, as in a plan. Without a
budget a run may make nobody newly active: nothing that a file leaves out can cost anything.
"""

from __future__ import annotations

import unicodedata
from collections.abc import Iterator
from dataclasses import dataclass

from rollbook.errors import Problem, RollbookError
from rollbook.model.keys import Keys, nearest, parse_toml
from rollbook.model.roster import Enrolment, Roster

BEGINS, ENDS, COMPLETES, IDLE = "begins", "ends", "completes", "idle"
WHEN = (BEGINS, ENDS, COMPLETES, IDLE)
"""Its first day comes; the first day after it comes; its course is completed; nothing was done for some days."""

ENABLE, DISABLE, DEACTIVATE, NOTIFY = "enable", "disable", "deactivate", "notify"
DO = (ENABLE, DISABLE, DEACTIVATE, NOTIFY)
"""With an enrolment: enable or disable it, or tell somebody. With its learner: set "Is active?" to no. That goes by all
of the learner's enrolments together, as the clean-up does: when the last of them ends, or nothing is done in any."""

BY_LEARNER, BY_ENROLMENT = "learner", "enrolment"
ACTIVITY = (BY_LEARNER, BY_ENROLMENT)
"""Whose deeds keep an enrolment from lying idle: all of the learner's in the organisation, or those in its course.
A learner is deactivated by all of theirs."""

CYCLES_MAX, STEPS_MAX, OFFSET_DAYS_MAX = 100, 20, 3660
BUDGET_MAX = 10_000_000

NAME_LENGTH_MAX = 200
"""Characters of the name of a cycle: it stands in each of its facts, and in mail."""

SUGGESTED_MAX, COMPARED_MAX = 20, 500
"""Misspelt names for which the nearest is looked for, and among how many known ones at most."""


class RulesError(RollbookError):
    """Rules cannot be read, or contradict themselves."""

    code = "rules-invalid"


@dataclass(frozen=True, slots=True, kw_only=True)
class Step:
    """When something happens to an enrolment, do something with it.

    days        for `idle`: whole local days without any deed
    after_days  whole local days later, or earlier where below 0; at the start of the day
    """

    when: str
    do: str
    days: int = 0
    after_days: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Cycle:
    """A named list of steps for the enrolments of some courses and organisations; of all, where it names none."""

    name: str
    steps: tuple[Step, ...]
    courses: tuple[str, ...] = ()
    organisations: tuple[str, ...] = ()
    activity: str = BY_LEARNER

    def concerns(self, enrolment: Enrolment) -> bool:
        """Whether its steps are about this enrolment."""
        return (not self.courses or enrolment.course in self.courses) and (
            not self.organisations or enrolment.organisation in self.organisations
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Rules:
    """All rules and cycles of one file.

    budget_learners_active  how many learners a run may make newly active; beyond it the run stops whole, and asks
    """

    cycles: tuple[Cycle, ...]
    budget_learners_active: int = 0


def parse_rules(text: str, name: str = "rules.toml") -> Rules:
    """The rules in `text`; `name` is the place that problems name. Raises RulesError with every problem found."""
    problems: list[Problem] = []
    document = parse_toml(text, name, problems)
    if problems:
        raise RulesError(problems)
    keys = Keys(document, name, "", problems)
    budget = keys.integer("budget_learners_active", 0, most=BUDGET_MAX)
    cycles = [_cycle(it, (_step(it),)) for it in keys.tables("rule")]
    cycles += [_cycle(it, tuple(_steps(it))) for it in keys.tables("cycle")]
    keys.close()
    if not cycles and not problems:
        keys.report("", "there is neither a rule nor a cycle", "add [[rule]] or [[cycle]]")
    if len(cycles) > CYCLES_MAX:
        keys.report("", f"there are more than {CYCLES_MAX} rules and cycles", "leave some out")
    names = [cycle.name for cycle in cycles]
    for twice in sorted({it for it in names if it and names.count(it) > 1}):
        keys.report("", f'two rules or cycles are called "{twice}"', "give each a name of its own")
    if problems:
        raise RulesError(problems)
    return Rules(cycles=tuple(cycles), budget_learners_active=budget)


def strangers(rules: Rules, view: Roster, name: str = "rules.toml") -> tuple[Problem, ...]:
    """Courses and organisations that rules name and no enrolment has: allowed, and often misspelt."""
    courses = {it.course for it in view.enrolments.values()}
    organisations = {it.organisation for it in view.enrolments.values()}
    strange = [
        (cycle.name, kind, it, known)
        for cycle in rules.cycles
        for kind, named, known in (
            ("course", cycle.courses, courses),
            ("organisation", cycle.organisations, organisations),
        )
        for it in named
        if it not in known
    ]
    # Looking for the nearest took 0.35 s for one long name among 5,000.
    hints = (
        nearest(it, known) if nth < SUGGESTED_MAX and len(known) <= COMPARED_MAX else ""
        for nth, (_, _, it, known) in enumerate(strange)
    )
    return tuple(
        Problem(f"{name}: {cycle}", f'no enrolment is of {kind} "{it}"{hint}', "check the spelling")
        for (cycle, kind, it, _), hint in zip(strange, hints, strict=True)
    )


def _cycle(keys: Keys, steps: tuple[Step, ...]) -> Cycle:
    cycle = Cycle(
        name=keys.text("name"),
        steps=steps,
        courses=keys.texts("courses", []),
        organisations=keys.texts("organisations", []),
        activity=keys.choice("activity", ACTIVITY, BY_LEARNER),
    )
    for kind, named in (("name", (cycle.name,)), ("courses", cycle.courses), ("organisations", cycle.organisations)):
        if any(unicodedata.category(letter) in ("Cc", "Cs") for it in named for letter in it):
            keys.report(kind, f"{kind} holds control characters", "take them out")
    if len(cycle.name) > NAME_LENGTH_MAX:
        keys.report("name", f"name has more than {NAME_LENGTH_MAX} characters", "shorten it")
    if keys.has("activity") and all(step.when != IDLE for step in steps):
        keys.report("activity", f'it is about when = "{IDLE}" only', "leave activity out")
    keys.close()
    return cycle


def _steps(keys: Keys) -> Iterator[Step]:
    found = keys.tables("steps")
    if not found or len(found) > STEPS_MAX:
        keys.report("steps", f"a cycle has 1 to {STEPS_MAX} steps", "write each below [[cycle.steps]]")
    for each in found[:STEPS_MAX]:
        yield _step(each)
        each.close()


def _step(keys: Keys) -> Step:
    when, do = keys.choice("when", WHEN), keys.choice("do", DO)
    idle = when == IDLE
    days = keys.integer("days", least=1, most=OFFSET_DAYS_MAX) if idle else 0
    if keys.has("days") and not idle:
        keys.report("days", f'days goes with when = "{IDLE}" only', "say after_days, or leave it out")
    earliest = -OFFSET_DAYS_MAX if when in (BEGINS, ENDS) else 0
    after_days = keys.integer("after_days", 0, least=earliest, most=OFFSET_DAYS_MAX)
    if do == DEACTIVATE and when not in (ENDS, IDLE):
        rule = f'"{DEACTIVATE}" does not go with "{when}": it is about all enrolments of a learner together'
        keys.report("do", rule, f"use {DISABLE}, or when = {ENDS} or {IDLE}")
    if do == ENABLE and when in (COMPLETES, IDLE):
        rule = f'"{ENABLE}" does not go with "{when}": it would bill whoever has stopped learning'
        keys.report("do", rule, f"use {DISABLE} or {NOTIFY}")
    return Step(when=when, do=do, days=days, after_days=after_days)
