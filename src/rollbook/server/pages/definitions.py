"""What a plan counts, in the reader's words: the definition that stands beside the figure, with its source.

The vendor's own sentence comes first (the plan's summary); what follows says every choice of the plan, so that nobody
has to read it as a file. Types that have no words here are shown as they are written.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit

from django.utils.translation import gettext, gettext_lazy, ngettext

from rollbook.model.plan import Plan, State
from rollbook.server.pages import reading

TYPES: dict[str, Any] = {
    "account.created": gettext_lazy("an account is made"),
    "account.changed": gettext_lazy("an account is changed"),
    "account.enabled": gettext_lazy("an account is enabled"),
    "account.disabled": gettext_lazy("an account is disabled"),
    "account.deleted": gettext_lazy("an account is deleted"),
    "login": gettext_lazy("logging in"),
    "session.entered": gettext_lazy("entering a session"),
    "path.viewed": gettext_lazy("looking at a learning path"),
    "path.started": gettext_lazy("starting a learning path"),
    "course.viewed": gettext_lazy("looking at a course"),
    "course.started": gettext_lazy("starting a course"),
    "course.completed": gettext_lazy("completing a course"),
    "lesson.started": gettext_lazy("starting a lesson"),
    "lesson.resumed": gettext_lazy("resuming a lesson"),
    "microlearning.opened": gettext_lazy("opening a microlearning"),
    "material.accessed": gettext_lazy("opening training material"),
    "ilt.attended": gettext_lazy("attending a session with an instructor"),
    "enrolment.created": gettext_lazy("an enrolment is made"),
    "enrolment.changed": gettext_lazy("an enrolment is changed"),
    "enrolment.enabled": gettext_lazy("an enrolment is enabled"),
    "enrolment.disabled": gettext_lazy("an enrolment is disabled"),
    "enrolment.ended": gettext_lazy("an enrolment ends"),
}
"""What happened, in words that stand in a list."""

ROLES: dict[str, Any] = {
    "learner": gettext_lazy("learners"),
    "guest": gettext_lazy("guests"),
    "facilitator": gettext_lazy("facilitators"),
    "instructor": gettext_lazy("instructors"),
    "manager": gettext_lazy("managers"),
    "reporter": gettext_lazy("reporters"),
    "admin": gettext_lazy("administrators"),
    "system": gettext_lazy("the system itself"),
}

MODES: dict[str, Any] = {
    "live": gettext_lazy("live"),
    "live-flexible": gettext_lazy("live and flexible"),
    "on-demand": gettext_lazy("on demand"),
}


@dataclass(frozen=True, slots=True)
class Definition:
    """What a plan counts: the vendor's sentence, every choice as (label, words), and where it is published."""

    summary: str
    lines: tuple[tuple[str, str], ...]
    sources: tuple[tuple[str, str], ...]
    vendor: str
    read_on: Any


def definition(plan: Plan, zone: str) -> Definition:
    """The definition of a plan, its midnights in a zone."""
    return Definition(
        summary=plan.summary,
        lines=tuple((label, words) for label, words in _lines(plan, zone) if words),
        sources=tuple((urlsplit(it).netloc or it, it) for it in plan.sources),
        vendor=plan.vendor,
        read_on=plan.read_on,
    )


def _lines(plan: Plan, zone: str) -> Iterable[tuple[str, str]]:
    meter = plan.meter
    if meter.holds:
        yield gettext("Counts from"), listed(TYPES, meter.holds.on)
        yield gettext("Until"), listed(TYPES, meter.holds.off)
        before = gettext("go on counting") if meter.opens == "before-term" else gettext("count when it begins anew")
        yield gettext("Begun before the term"), before
    else:
        yield gettext("Counts"), listed(TYPES, meter.counts)
        yield gettext("How often"), _how_often(plan)
    yield gettext("Only while"), _while(meter.member_while) if meter.member_while else ""
    yield gettext("Does not count"), _exempt(plan)
    if meter.guests == "each-entry":
        yield gettext("Guests"), gettext("every entry counts by itself")
    yield (
        gettext("Billing periods"),
        gettext("%(windows)s; days begin at midnight in %(zone)s")
        % {
            "windows": windows(plan),
            "zone": zone,
        },
    )
    yield gettext("Included"), included(plan)
    yield gettext("Beyond it"), policy(plan.limit.policy)


def listed(words: dict[str, Any], names: Sequence[str]) -> str:
    """`a`, `a or b`, `a, b or c`."""
    found = [str(words.get(it, it)) for it in names]
    if len(found) < 2:  # noqa: PLR2004 - one, or none
        return "".join(found)
    return gettext("%(most)s or %(last)s") % {"most": ", ".join(found[:-1]), "last": found[-1]}


def _how_often(plan: Plan) -> str:
    if plan.meter.first_ever:
        return gettext("once ever")
    if plan.meter.minimum > 1:
        words = gettext("once in each period, from the %(n)s. time on")
        return words % {"n": reading.number(plan.meter.minimum)}
    if plan.meter.unit == "enrolment":
        return gettext("once in each period for each course, however often it happens")
    if plan.meter.unit == "entry":
        return gettext("every time")
    return gettext("once in each period, however often it happens")


def _while(state: State) -> str:
    return gettext("somebody is a member: after %(on)s, before %(off)s") % {
        "on": listed(TYPES, state.on),
        "off": listed(TYPES, state.off),
    }


def _exempt(plan: Plan) -> str:
    by_modes: dict[tuple[str, ...], list[str]] = {}
    for it in plan.meter.exempt:
        by_modes.setdefault(it.unless_modes, []).append(it.role)
    said = []
    for modes, roles in by_modes.items():
        words = listed(ROLES, roles)
        if modes:
            words = gettext("%(who)s, unless the session is %(modes)s") % {"who": words, "modes": listed(MODES, modes)}
        said.append(words)
    return "; ".join(said)


def windows(plan: Plan) -> str:
    """How a plan cuts time."""
    rule = plan.window
    if rule.kind == "calendar-month":
        return gettext("calendar months")
    if rule.kind == "anniversary-month":
        return gettext("months from the first day of the plan")
    if rule.kind == "term":
        return gettext("the term as a whole")
    return ngettext("each day", "every %(n)s days", rule.length_days) % {"n": reading.number(rule.length_days)}


def included(plan: Plan) -> str:
    """What the plan includes, and how long it can be used."""
    allowance = plan.allowance
    if allowance.per == "held":
        return gettext("seats: whoever holds one keeps it until it is released")
    if allowance.per == "term":
        return gettext("a quantity for the term: what one period leaves is there for the next, and ends with the term")
    if allowance.rollover_windows:
        words = ngettext(
            "a quantity for each period; what is left can be used for %(n)s more",
            "a quantity for each period; what is left can be used for %(n)s more periods",
            allowance.rollover_windows,
        )
        return words % {"n": reading.number(allowance.rollover_windows)}
    return gettext("a quantity for each period: what is left at its end is lost")


def policy(name: str) -> str:
    """What happens beyond the allowance."""
    return {
        "bill": gettext("it is charged, and nobody is turned away"),
        "notify": gettext("it is said, not charged, and nobody is turned away"),
        "block-new": gettext("newcomers are turned away"),
        "block": gettext("everybody is turned away"),
    }[name]
