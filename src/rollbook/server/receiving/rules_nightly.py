"""The runs of the worker: each version that is on or in trial, once for each local day.

The facts carry the midnight that begins the day, whenever the worker comes to it. So whoever is disabled because a term
is over does not count in the month that begins with that midnight, and a run that is done again makes the same facts.
A day that was missed has no run of its own: the next one decides what was due.

A run is one transaction with its row, which can be written once. What somebody agreed to while it was decided is seen
there, and then it is decided anew. A worker that is killed leaves nothing, and of two the second finds the row.

One that fails leaves a row that says so, in words, and whoever administers the customer is told: rules that do not run
are to surprise nobody. It decided nothing, so it is tried again, and what comes of that takes the row over.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import suppress
from datetime import date, datetime
from zoneinfo import ZoneInfo

import stamina
from django.conf import settings
from django.db import DatabaseError, OperationalError, transaction
from django.db.models import Max, Q

from rollbook.errors import Problem, RollbookError
from rollbook.model.instants import from_us, start_of_day_us, to_us
from rollbook.roster.rules import Rules
from rollbook.server.access import audit
from rollbook.server.live import metering
from rollbook.server.models import Done, RulesRun, RulesVersion
from rollbook.server.notices.announce import announce
from rollbook.server.receiving import rules_running as running
from rollbook.server.receiving.rules import decided, is_due, note, parsed
from rollbook.server.receiving.rules_running import Evaluated

ACTOR = "worker"
"""How the audit calls whoever did it."""

JOB = "run-rules"
"""The job that runs them, which notes where it failed."""

PROBLEMS_MAX, PROBLEM_LENGTH_MAX = 10, 500
"""Of a failed run: problems that are kept, and characters of each rule and remedy."""

MISTAKE = Problem(
    "server", "the server could not run these rules; what happened is in its log", "tell whoever runs the server"
)
"""Where a run fails by no fault of its rules: what went wrong in the code is nothing an administrator could mend."""

TOLD_MAX = 200
"""Cycles with a step that one message counts."""


def due(now: datetime) -> Iterator[int]:
    """The numbers of the versions that have not run yet for the day that runs where they are."""
    last = Max("runs__day", filter=~Q(runs__state=RulesRun.FAILED))
    rows = RulesVersion.objects.exclude(state=RulesVersion.OFF).defer("text").annotate(last=last)
    for version in rows.order_by("pk"):
        day, midnight_us = _day(version, now)
        if is_due(version, from_us(midnight_us)) and (version.last is None or version.last < day):
            yield version.pk


def run(number: int, now: datetime) -> int:
    """Runs a version for the day that runs; how many runs were made: 1, or 0 where somebody else did it.

    Raises whatever stopped it, in all attempts; the row of the run says why, in words.
    """
    try:
        return _run(number, now)
    except Exception as error:
        with suppress(DatabaseError):  # of the two errors the first one is to be told
            _failed(number, now, error)
        raise


@stamina.retry(on=metering.may_pass, attempts=3, wait_initial=0.05, wait_max=1.0)
def _run(number: int, now: datetime) -> int:
    version = RulesVersion.objects.select_related("customer").get(pk=number)
    day, _ = _day(version, now)
    rules = parsed(version.text)
    agreed = _agreed(version)
    found = _decide(version, rules, now, agreed)
    with transaction.atomic():
        metering.locked([version.customer_id])
        now_stands = RulesVersion.objects.filter(pk=number, state=version.state, since=version.since).exists()
        if not now_stands or _is_decided(version, day):
            return 0
        if (agreed_since := _agreed(version)) != agreed:
            found = _decide(version, rules, now, agreed_since)
        _keep(version, rules, found, day, max(to_us(now), found.at_us))
    return 1


def _decide(version: RulesVersion, rules: Rules, now: datetime, agreed: datetime | None) -> Evaluated:
    """What falls to the run of a day: what is due at its midnight, or just after somebody agreed since.

    Whoever agrees after midnight, before the worker came, has had all done that was due by then, dated by when they
    agreed: decided as of midnight, it would be done a second time, and dated back.
    """
    _, at_us = _day(version, now)
    if agreed is not None:
        at_us = max(at_us, to_us(agreed) + 1)
    previous_us = _previous_us(version) if version.state == RulesVersion.ON else None
    return running.evaluate(version, rules, at_us, previous_us=previous_us)


def _agreed(version: RulesVersion) -> datetime | None:
    """When somebody agreed to a run of a version last; that is the instant of its facts."""
    agreed = version.runs.filter(state=RulesRun.AGREED)
    return agreed.order_by("-at").values_list("at", flat=True).first()


def _is_decided(version: RulesVersion, day: date) -> bool:
    return decided(version.runs.all()).filter(day__gte=day).exists()


@transaction.atomic
def _failed(number: int, now: datetime, error: Exception) -> None:
    """Writes down that a run failed and why, and tells it once for each day, of rules that are on.

    What may pass by itself, such as a database that is busy, is written down where it failed in an earlier hour too.
    """
    version = RulesVersion.objects.select_related("customer").get(pk=number)
    day, at_us = _day(version, now)
    before = Done.objects.filter(job=JOB, number=number, at__gte=from_us(at_us), at__lt=now)
    if isinstance(error, OperationalError) and not before.exists():
        return
    metering.locked([version.customer_id])
    version.refresh_from_db()
    if not is_due(version, from_us(at_us)) or _is_decided(version, day):
        return
    problems = error.problems if isinstance(error, RollbookError) else (MISTAKE,)
    said = [
        {"place": it.place, "rule": it.rule[:PROBLEM_LENGTH_MAX], "remedy": it.remedy[:PROBLEM_LENGTH_MAX]}
        for it in problems[:PROBLEMS_MAX]
    ]
    given = {"customer_id": version.customer_id, "at": from_us(at_us), "state": RulesRun.FAILED, "created_at": now}
    row, made = RulesRun.objects.get_or_create(version=version, day=day, defaults={**given, "problems": said})
    if not made:
        row.problems = said
        row.save(update_fields=["problems"])
    elif version.state == RulesVersion.ON:
        _tell_failed(version, row)


def page_of(customer: int) -> str:
    """The address of the page where somebody agrees or refuses."""
    return f"{str(settings.CONFIGURATION['ROLLBOOK_BASE_URL']).rstrip('/')}/customers/{customer}/roster/rules"


def _keep(version: RulesVersion, rules: Rules, found: Evaluated, day: date, now_us: int) -> None:
    """What was decided comes in, or not, with the row that says so and whoever is to be told."""
    is_on = version.state == RulesVersion.ON
    taken = running.take(version, rules, found, now_us, keep=is_on)
    row = version.runs.filter(day=day).first() or RulesRun(version=version, day=day)
    row.customer_id, row.at, row.created_at = version.customer_id, from_us(found.at_us), from_us(now_us)
    row.budget, row.problems = rules.budget_learners_active, []
    row.told = [[*key, count] for key, count in sorted(found.told.items())]
    note(row, found, taken, running.digest(version, found, taken.newly))
    if not is_on:
        row.state = RulesRun.TRIAL
    elif taken.stopped:
        row.state = RulesRun.STOPPED
    else:
        row.state = RulesRun.DONE if taken.kept else RulesRun.NOTHING
    # Asked before the row is written: whoever was told of this very stop is not told each night.
    before = decided(version.runs.all()).exclude(state=RulesRun.TRIAL).order_by("-day").first()
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


def _tell_failed(version: RulesVersion, row: RulesRun) -> None:
    first = row.problems[0]
    data = {
        "run": row.pk,
        "day": row.day.isoformat(),
        "reason": first["rule"],
        "remedy": first["remedy"],
        "page": page_of(version.customer_id),
    }
    announce("rules.failed", version.customer, data)


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
    acted = decided(version.runs.all()).exclude(state=RulesRun.TRIAL)
    last = acted.order_by("-day").values_list("day", flat=True).first()
    since_us = to_us(version.since)
    return since_us if last is None else max(since_us, start_of_day_us(last, ZoneInfo(version.zone)))
