"""The runs of the worker: each version that is on or in trial, once for each local day.

The facts carry the midnight that begins the day, whenever the worker comes to it. So whoever is disabled because a term
is over does not count in the month that begins with that midnight, and a run that is done again makes the same facts.
A day that was missed has no run of its own: the next one decides what was due.

A run is one transaction with its row, which can be written once. A worker that is killed leaves nothing, and of two the
second finds the row.
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import date, datetime
from zoneinfo import ZoneInfo

import stamina
from django.conf import settings
from django.db import transaction
from django.db.models import Max

from rollbook.model.instants import from_us, start_of_day_us, to_us
from rollbook.roster.rules import Rules
from rollbook.server.access import audit
from rollbook.server.live import metering
from rollbook.server.models import RulesRun, RulesVersion
from rollbook.server.notices.announce import announce
from rollbook.server.receiving import rules_running as running
from rollbook.server.receiving.rules import is_due, note, parsed
from rollbook.server.receiving.rules_running import Evaluated

ACTOR = "worker"
"""How the audit calls whoever did it."""

TOLD_MAX = 200
"""Cycles with a step that one message counts."""


def due(now: datetime) -> Iterator[int]:
    """The numbers of the versions that have not run yet for the day that runs where they are."""
    rows = RulesVersion.objects.exclude(state=RulesVersion.OFF).defer("text").annotate(last=Max("runs__day"))
    for version in rows.order_by("pk"):
        day, midnight_us = _day(version, now)
        if is_due(version, from_us(midnight_us)) and (version.last is None or version.last < day):
            yield version.pk


@stamina.retry(on=metering.may_pass, attempts=3, wait_initial=0.05, wait_max=1.0)
def run(number: int, now: datetime) -> int:
    """Runs a version for the day that runs; how many runs were made: 1, or 0 where somebody else did it."""
    version = RulesVersion.objects.select_related("customer").get(pk=number)
    day, at_us = _day(version, now)
    rules = parsed(version.text)
    previous_us = _previous_us(version) if version.state == RulesVersion.ON else None
    found = running.evaluate(version, rules, at_us, previous_us=previous_us)
    with transaction.atomic():
        metering.locked([version.customer_id])
        now_stands = RulesVersion.objects.filter(pk=number, state=version.state, since=version.since).exists()
        if not now_stands or version.runs.filter(day__gte=day).exists():
            return 0
        _keep(version, rules, found, day, to_us(now))
    return 1


def page_of(customer: int) -> str:
    """The address of the page where somebody agrees or refuses."""
    return f"{str(settings.CONFIGURATION['ROLLBOOK_BASE_URL']).rstrip('/')}/customers/{customer}/roster/rules"


def _keep(version: RulesVersion, rules: Rules, found: Evaluated, day: date, now_us: int) -> None:
    """What was decided comes in, or not, with the row that says so and whoever is to be told."""
    is_on = version.state == RulesVersion.ON
    taken = running.take(version, rules, found, now_us, keep=is_on)
    row = RulesRun(
        customer_id=version.customer_id,
        version=version,
        day=day,
        at=from_us(found.at_us),
        budget=rules.budget_learners_active,
        told=[[*key, count] for key, count in sorted(found.told.items())],
        created_at=from_us(now_us),
    )
    note(row, found, taken, running.digest(version, found, taken.newly))
    if not is_on:
        row.state = RulesRun.TRIAL
    elif taken.stopped:
        row.state = RulesRun.STOPPED
    else:
        row.state = RulesRun.DONE if taken.kept else RulesRun.NOTHING
    # Asked before the row is written: whoever was told of this very stop is not told each night.
    before = version.runs.exclude(state=RulesRun.TRIAL).order_by("-day").first()
    row.save()
    if row.state == RulesRun.STOPPED and not _known(before, row):
        _tell_stopped(version, row)
    if is_on and found.told:
        _tell_due(version, row)
    if row.state == RulesRun.DONE:
        said = {"version": version.number, "newly_active": row.newly_active, "at_us": found.at_us}
        audit.record(ACTOR, "rules.ran", f"run of rules {row.pk}", version.customer_id, **said, facts=row.decided)


def _known(before: RulesRun | None, row: RulesRun) -> bool:
    stopped = before is not None and before.state in (RulesRun.STOPPED, RulesRun.REFUSED)
    return stopped and before is not None and before.digest == row.digest


def _tell_stopped(version: RulesVersion, row: RulesRun) -> None:
    data = {
        "run": row.pk,
        "day": row.day.isoformat(),
        "changes": sum(row.decided.values()),
        "learners_changed": row.learners,
        "newly_active": row.newly_active,
        "budget": row.budget,
        "page": page_of(version.customer_id),
    }
    announce("rules.stopped", version.customer, data)


def _tell_due(version: RulesVersion, row: RulesRun) -> None:
    due_ = [{"cycle": cycle, "step": step, "enrolments": count} for cycle, step, count in row.told[:TOLD_MAX]]
    data = {
        "run": row.pk,
        "day": row.day.isoformat(),
        "enrolments": sum(count for _, _, count in row.told),
        "due": due_,
        "page": page_of(version.customer_id).removesuffix("/rules"),
    }
    announce("roster.due", version.customer, data)


def _day(version: RulesVersion, now: datetime) -> tuple[date, int]:
    """The local day of an instant, and the midnight that begins it, UTC microseconds."""
    zone = ZoneInfo(version.zone)
    day = now.astimezone(zone).date()
    return day, start_of_day_us(day, zone)


def _previous_us(version: RulesVersion) -> int:
    """When it last ran as it is now, or became so: what fell due before that was told, or is nobody's business."""
    last = version.runs.exclude(state=RulesRun.TRIAL).order_by("-day").values_list("day", flat=True).first()
    since_us = to_us(version.since)
    return since_us if last is None else max(since_us, start_of_day_us(last, ZoneInfo(version.zone)))
