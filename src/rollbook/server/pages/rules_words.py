"""Rules in words: a sentence for each step, which line of the text a problem is about, and what became of a run."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from django.utils.translation import gettext, gettext_lazy, ngettext, pgettext_lazy

from rollbook.errors import Problem
from rollbook.roster.rules import BEGINS, BY_ENROLMENT, COMPLETES, DEACTIVATE, DISABLE, ENABLE, ENDS, Cycle, Rules, Step
from rollbook.server.models import RulesRun, RulesVersion
from rollbook.server.pages import reading

STATES = {
    RulesVersion.TRIAL: gettext_lazy("In trial: it says each night what it would do, and changes nothing"),
    RulesVersion.ON: gettext_lazy("On: it runs each night"),
    RulesVersion.OFF: gettext_lazy("Off"),
}

BADGES = {
    RulesVersion.TRIAL: pgettext_lazy("rules", "trial"),
    RulesVersion.ON: pgettext_lazy("rules", "on"),
    RulesVersion.OFF: pgettext_lazy("rules", "off"),
}

RUNS = {
    RulesRun.TRIAL: gettext_lazy("Trial: nothing was changed"),
    RulesRun.DONE: gettext_lazy("Done"),
    RulesRun.NOTHING: gettext_lazy("There was nothing to do"),
    RulesRun.STOPPED: gettext_lazy("Stopped by its budget: nothing was changed"),
    RulesRun.AGREED: gettext_lazy("Agreed to, and done"),
    RulesRun.REFUSED: gettext_lazy("Refused: nothing was changed"),
    RulesRun.FAILED: gettext_lazy("Failed: nothing was changed"),
}


@dataclass(frozen=True, slots=True)
class Told:
    """One cycle: its name, whom it is about, and a sentence for each step."""

    name: str
    about: str
    steps: list[str]


def told(rules: Rules) -> list[Told]:
    """All cycles of some rules."""
    return [Told(it.name, _about(it), [_step(step, it) for step in it.steps]) for it in rules.cycles]


def budget(n: int) -> str:
    """What the budget says."""
    return ngettext(
        "A run that would make more than %(n)s learner newly active stops, changes nothing, and asks.",
        "A run that would make more than %(n)s learners newly active stops, changes nothing, and asks.",
        n,
    ) % {"n": reading.number(n)}


def _about(cycle: Cycle) -> str:
    filled = {"courses": ", ".join(cycle.courses), "organisations": ", ".join(cycle.organisations)}
    if cycle.courses and cycle.organisations:
        return gettext("enrolments in %(courses)s, of %(organisations)s") % filled
    if cycle.courses:
        return gettext("enrolments in %(courses)s") % filled
    if cycle.organisations:
        return gettext("all enrolments of %(organisations)s") % filled
    return gettext("all enrolments")


def _step(step: Step, cycle: Cycle) -> str:
    does = {
        ENABLE: gettext("the enrolment is enabled"),
        DISABLE: gettext("the enrolment is disabled"),
        DEACTIVATE: gettext("the learner is set inactive"),
    }.get(step.do, gettext("you are told, and nothing changes"))
    return gettext("%(when)s: %(does)s.") % {"when": _when(step, cycle), "does": does}


def _when(step: Step, cycle: Cycle) -> str:
    days = abs(step.after_days)
    if step.when in (BEGINS, COMPLETES, ENDS):
        named = {
            BEGINS: gettext("the first day of an enrolment"),
            ENDS: gettext("the end of an enrolment"),
            COMPLETES: gettext("the completion of its course"),
        }
        if step.when == ENDS and step.do == DEACTIVATE:
            named[ENDS] = gettext("the end of the last enrolment of a learner")
        filled = {"what": named[step.when], "n": days}
        if step.after_days < 0:
            return ngettext("%(n)s day before %(what)s", "%(n)s days before %(what)s", days) % filled
        if days:
            return ngettext("%(n)s day after %(what)s", "%(n)s days after %(what)s", days) % filled
        return gettext("With %(what)s") % filled
    n = step.days + step.after_days
    if step.do != DEACTIVATE and cycle.activity == BY_ENROLMENT:
        return ngettext(
            "After %(n)s day without a deed in the enrolment", "After %(n)s days without a deed in the enrolment", n
        ) % {"n": n}
    return ngettext(
        "After %(n)s day in which the learner did nothing", "After %(n)s days in which the learner did nothing", n
    ) % {"n": n}


def with_lines(text: str, problems: Sequence[Problem]) -> Iterator[tuple[int, Problem]]:
    """Problems with the line of the text that each is about; 0 for the whole."""
    lines = text.splitlines()
    for it in problems:
        yield _line(lines, it), it


_SYNTAX = re.compile(r"\(at line (\d+),")
_PART = re.compile(r"^(\w+)(?:\[(\d+)\])?$")


def _line(lines: Sequence[str], problem: Problem) -> int:
    if found := _SYNTAX.search(problem.rule):
        return int(found[1])
    at, prefix = 0, ""
    for part in problem.place.partition(": ")[2].split("."):
        if not (named := _PART.match(part)):
            break
        name, nth = named[1], named[2]
        if nth is None:
            key = re.compile(rf"^\s*{re.escape(name)}\s*=")
            return next((n for n, it in enumerate(lines[at:], at + 1) if key.match(it)), at)
        prefix = f"{prefix}.{name}" if prefix else name
        heads = [n for n, it in enumerate(lines[at:], at + 1) if it.strip().replace(" ", "") == f"[[{prefix}]]"]
        if len(heads) < int(nth):
            break
        at = heads[int(nth) - 1]
    return at
