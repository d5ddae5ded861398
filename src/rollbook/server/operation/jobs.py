"""What time triggers. Each job derives what is due from the tables, does a bounded part of it, and says how much.

There is no queue beside the outbox: a worker may be killed anywhere, and several may run at once. Whoever comes second
finds that nothing is left to do: each piece is one transaction that looks again behind a lock, or a row that can be
written once.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from datetime import UTC, datetime, timedelta
from functools import lru_cache
from typing import Any

import structlog
from django.contrib.sessions.models import Session
from django.db import close_old_connections, connection, transaction
from django.db.models import Count, Q, QuerySet
from prometheus_client import Counter

from rollbook.errors import RollbookError
from rollbook.metering.calendar import windows
from rollbook.model.instants import iso, to_us
from rollbook.server.live import contracts, metering
from rollbook.server.models import (
    Done,
    HeldFact,
    Message,
    Refusal,
    ReportedCount,
    Reservation,
    RosterRequest,
    Subscription,
)
from rollbook.server.notices import crossings, delivery, failures, foreseen, orders, roster_told
from rollbook.server.notices.announce import announce

log = structlog.get_logger(__name__)

SUBSCRIPTIONS_MAX = 50
"""Subscriptions that one run of a job works on; the next run goes on."""

FORECASTS_MAX = 10
"""Forecasts in one run: each takes up to a second."""

RULES_SECONDS = 60
"""One run begins runs of rules for so long: one of 100,000 learners may take about as long itself."""

ARCHIVE_SECONDS, ARCHIVE_MONTHS = 60, 2
"""One run begins to move facts of customers for so long, and so many months of each: a month takes seconds."""

REPORTED_MAX = 500
"""Reported counts that one run compares."""

DELIVERY_SECONDS = 60
"""One run begins batches of messages for so long."""

REFUSALS_KEPT = 100_000
"""Facts that were refused are kept until there are more."""

MESSAGES_KEPT = timedelta(days=400)
"""Messages that were sent or given up are kept so long: a year and its last statement."""

PIECE, PIECES_MAX = 5_000, 20
"""Rows that are deleted at once, and how often in one run."""

NAMES_MAX = 20
"""Organisations that are named where facts wait for theirs."""

RUNS = Counter("rollbook_job_runs", "Runs of jobs", ("job", "result"))
WORK = Counter("rollbook_job_work", "What jobs did: windows begun, messages tried, reports ordered …", ("job",))


def begin_windows(now: datetime) -> int:
    """Begins windows whose start has come; whoever carries into them counts at once. How many subscriptions."""
    due = [pk for pk, begun, starts in _starts() if sum(start <= to_us(now) for start in starts) > begun]
    return sum(_alone("begin-windows", _begin, pk, now) for pk in due[:SUBSCRIPTIONS_MAX])


@transaction.atomic
def _begin(pk: int, now: datetime) -> int:
    metering.locked(Subscription.objects.filter(pk=pk).values_list("customer_id", flat=True))
    row = Subscription.objects.select_related("customer", "plan").get(pk=pk)
    before = contracts.live(row)
    live = metering.begin_windows(before, to_us(now))
    if live.windows_begun == before.windows_begun:
        return 0
    crossings.record_crossings(row, metering.account_of(live, to_us(now) + 1))
    return 1


def _alone(job: str, work: Callable[[int, datetime], int], pk: int, now: datetime) -> int:
    """Does something for one subscription or customer; where that fails it is told, and the others go on."""
    try:
        return work(pk, now)
    except Exception as error:  # noqa: BLE001 - whatever it is
        log.error("job.failed", job=job, of=pk, **failures.told(error))  # noqa: TRY400 - no words of it
        RUNS.labels(job, "failed").inc()
        return 0


def _starts() -> list[tuple[int, int, tuple[int, ...]]]:
    """Of each subscription: number, windows begun, and the instants at which there is one more, which never change."""
    rows = Subscription.objects.values_list("pk", "windows_begun", "plan__digest", "start", "end", "zone", "anchor")
    return [(pk, begun, _cut(pk, *agreed)) for pk, begun, *agreed in rows.order_by("pk")]


@lru_cache(maxsize=20_000)
def _cut(pk: int, *_: object) -> tuple[int, ...]:
    row = Subscription.objects.select_related("customer", "plan").get(pk=pk)
    subscription = contracts.subscription_of(row)
    cuts = [*(it.start_us for it in windows(subscription)), subscription.end_us]
    return tuple(cuts[: contracts.windows_begun(subscription, subscription.end_us)])


def release_held(now: datetime) -> int:
    """Takes in facts that waited for their time or their organisation; how many."""
    from rollbook.server.receiving import ingest  # noqa: PLC0415 - the way of facts is loaded when one is to go it

    def release(customer: int, at: datetime) -> int:
        return ingest.release_held(customer, to_us(at))

    return sum(_alone("release-held", release, customer, now) for customer in ingest.customers_waiting(to_us(now)))


def expire_held(now: datetime) -> int:
    """Refuses facts that waited too long for an organisation that nobody has; how many."""
    from rollbook.server.receiving import expiry  # noqa: PLC0415 - as above

    return expiry.expire(to_us(now))


def run_rules(now: datetime) -> int:
    """Runs rules for the day that has begun where they are; how many. One that failed is tried again in an hour."""
    from rollbook.server.receiving import rules_nightly  # noqa: PLC0415 - as above

    began, did = time.monotonic(), 0
    hour = f"{now.astimezone(UTC):%Y-%m-%dT%H}"
    failed = set(Done.objects.filter(job=rules_nightly.JOB, done_for=hour).values_list("number", flat=True))
    for version in rules_nightly.due(now):
        if version in failed or time.monotonic() - began > RULES_SECONDS:
            continue
        made = _alone(rules_nightly.JOB, rules_nightly.run, version, now)
        did += made
        if not made and version in rules_nightly.due(now):
            _mark(rules_nightly.JOB, now, hour, version)
    return did


def close_due(now: datetime) -> int:
    """Closes windows whose grace is over; how many."""
    from rollbook.server.billing import closing  # noqa: PLC0415 - as above

    return closing.close_due(to_us(now))


def archive_closed(now: datetime) -> int:
    """Once a day, moves facts of closed windows to the archive, where there is one; how many.

    What failed is tried again in an hour.
    """
    from rollbook.server.billing import archiving  # noqa: PLC0415 - as above

    began, day = time.monotonic(), now.astimezone(UTC).date().isoformat()
    hour = f"{now.astimezone(UTC):%Y-%m-%dT%H}"
    done = set(Done.objects.filter(job="archive", done_for__in=(day, hour)).values_list("number", flat=True))

    def move(customer: int, at: datetime) -> int:
        """Some months; the rest in the next round, so that nothing else waits for long."""
        facts = archiving.move(customer, at, ARCHIVE_MONTHS)
        if not facts:
            _mark("archive", now, day, customer)
        return facts

    if 0 in done:
        return 0
    try:
        customers = archiving.due()
    except RollbookError:
        # Told by the job's failure; once an hour, and not each round.
        _mark("archive", now, hour)
        raise
    moved = 0
    for customer in customers:
        if customer in done or time.monotonic() - began > ARCHIVE_SECONDS:
            continue
        facts = _alone("archive", move, customer, now)
        moved += facts
        if not facts and not Done.objects.filter(job="archive", number=customer, done_for=day).exists():
            _mark("archive", now, hour, customer)
    return moved


def deliver_messages(now: datetime) -> int:
    """Sends what is due, batch by batch; how many messages were tried."""
    began, tried = time.monotonic(), 0
    while (passed := time.monotonic() - began) < DELIVERY_SECONDS:
        batch = delivery.deliver(now + timedelta(seconds=passed))
        tried += batch
        if not batch:
            break
    return tried


def foresee(now: datetime) -> int:
    """Once a day, tells what will probably be used beyond what is included; how many subscriptions were looked at."""
    day = now.astimezone(UTC).date()
    done = Done.objects.filter(job="foresee", done_for=day.isoformat()).values("number")
    near = Subscription.objects.filter(start__lte=day + timedelta(days=1), end__gte=day - timedelta(days=1))
    rows = list(near.exclude(pk__in=done).order_by("pk").values_list("pk", flat=True)[:FORECASTS_MAX])
    for pk in rows:
        _alone("foresee", _foresee, pk, now)
        _mark("foresee", now, day.isoformat(), pk)
    return len(rows)


def _foresee(pk: int, now: datetime) -> int:
    row = Subscription.objects.select_related("customer", "plan").get(pk=pk)
    live = contracts.live(row)
    if not live.subscription.start_us < to_us(now) < live.subscription.end_us:
        return 0
    return foreseen.foresee(row, metering.account_of(live, to_us(now)))


def compare_counts(now: datetime) -> int:
    """Once the day is over, holds counts that other systems reported against what counted here; how many.

    Compared is what was known of that instant: facts up to it, those that came later among them.
    """
    midnight = now.astimezone(UTC).replace(hour=0, minute=0, second=0, microsecond=0)
    due = ReportedCount.objects.filter(compared_at=None, at__lt=midnight).order_by("pk")[:REPORTED_MAX]
    compared = 0
    for row in due.select_related("subscription__customer", "subscription__plan"):
        at_us = to_us(row.at)
        with transaction.atomic(), connection.cursor() as cursor:
            cursor.execute(
                "select count(*) from activation where subscription = %s and window_number = %s and first_us < %s",
                [row.subscription_id, row.window_number, at_us],
            )
            [ours] = cursor.fetchone()
            mine = ReportedCount.objects.filter(pk=row.pk, compared_at=None).update(ours=ours, compared_at=now)
            compared += mine
            if mine and ours != row.active:
                data = {"window": row.window_number, "at": iso(at_us), "reported": row.active, "counted": ours}
                announce("count.differs", row.subscription.customer, data, row.subscription)
    return compared


def tell_held(now: datetime) -> int:
    """Once a day, tells the vendor that facts wait because nobody has their organisation; whether it was told."""
    waiting = HeldFact.objects.filter(reason=HeldFact.UNKNOWN)
    day = now.astimezone(UTC).date().isoformat()
    if not waiting.exists() or Done.objects.filter(job="facts-held", done_for=day).exists():
        return 0
    names = waiting.values("organisation").annotate(facts=Count("pk")).order_by("-facts", "organisation")
    with transaction.atomic():
        if not _mark("facts-held", now, day):
            return 0
        data = {"facts": waiting.count(), "organisations": [it["organisation"] for it in names[:NAMES_MAX]]}
        announce("facts.held", None, data)
    return 1


def tell_requests(now: datetime) -> int:
    """Tells customers what their platform refused, and what it does not answer; how many messages were written."""
    return sum(_alone("tell-requests", roster_told.tell, it, now) for it in roster_told.due(now, SUBSCRIPTIONS_MAX))


def expire_requests(now: datetime) -> int:
    """Ends requests that no platform has answered in time; how many."""
    from rollbook.server.receiving import roster_requests  # noqa: PLC0415 - as above

    return roster_requests.expire(to_us(now), PIECE * PIECES_MAX)


def prune(now: datetime) -> int:
    """Deletes what nobody needs any more; how many rows. Refusals each time, the rest once an hour."""
    newest = Refusal.objects.order_by("-pk").values_list("pk", flat=True).first() or 0
    deleted = _delete(Refusal.objects.filter(pk__lte=newest - REFUSALS_KEPT))
    if not _mark("prune", now, f"{now.astimezone(UTC):%Y-%m-%dT%H}"):
        return deleted
    old = Q(state=Message.SENT) | Q(state=Message.DEAD)
    return deleted + sum(
        _delete(rows)
        for rows in (
            Message.objects.filter(old, created_at__lt=now - MESSAGES_KEPT),
            RosterRequest.objects.filter(state__in=_ANY_STATE, asked_at__lt=now - roster_told.KEPT),
            Reservation.objects.filter(until__lt=now),
            Session.objects.filter(expire_date__lt=now),
        )
    )


_ANY_STATE = (RosterRequest.REQUESTED, RosterRequest.DONE, RosterRequest.REFUSED, RosterRequest.EXPIRED)
"""All of them, by the index that has the state first."""


def _delete(rows: QuerySet[Any]) -> int:
    """Deletes rows in pieces, each a transaction, so that nobody waits for long."""
    deleted = 0
    for _ in range(PIECES_MAX):
        numbers = list(rows.order_by("pk").values_list("pk", flat=True)[:PIECE])
        deleted += rows.filter(pk__in=numbers).delete()[0] if numbers else 0
        if len(numbers) < PIECE:
            break
    return deleted


def _mark(job: str, now: datetime, done_for: str, number: int = 0) -> bool:
    """Notes what a job did for an object; False where it is noted already, by whoever came first."""
    changed = Done.objects.filter(job=job, number=number).exclude(done_for=done_for).update(done_for=done_for, at=now)
    if changed:
        return True
    _, made = Done.objects.get_or_create(job=job, number=number, defaults={"done_for": done_for, "at": now})
    return made


JOBS: Mapping[str, Callable[[datetime], int]] = {
    "begin-windows": begin_windows,
    "release-held": release_held,
    "expire-held": expire_held,
    "run-rules": run_rules,
    "close-due": close_due,
    "archive": archive_closed,
    "foresee": foresee,
    "compare-counts": compare_counts,
    "order-reports": orders.order_reports,
    "tell-held": tell_held,
    "tell-requests": tell_requests,
    "expire-requests": expire_requests,
    "prune": prune,
    "deliver": deliver_messages,
}
"""In the order in which they run: messages last, so that what the others tell goes out at once."""


def run(name: str, now: datetime) -> int | None:
    """Runs one job; None where it failed, which is logged and counted and stops nothing else."""
    try:
        did = JOBS[name](now)
    except Exception as error:  # noqa: BLE001 - whatever it is, the other jobs go on
        log.error("job.failed", job=name, **failures.told(error))  # noqa: TRY400 - its words may name a learner
        RUNS.labels(name, "failed").inc()
        close_old_connections()
        return None
    RUNS.labels(name, "done").inc()
    WORK.labels(name).inc(did)
    if did:
        log.info("job.done", job=name, did=did)
    return did
