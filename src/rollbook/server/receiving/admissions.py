"""May this learner start now? What a plan that turns newcomers away answers, without a race.

A place is reserved when it is granted, behind the customer's lock: of two who ask for the last one at the same time,
one gets it. It is one unit's: where enrolments count, a learner's in one object. It lapses when nothing happens. Where
no place is reserved, nothing at all is kept, not even who was asked about. Plans that never block (F-20, A-23) say
yes, and what it will mean.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta
from typing import Any

from django.db import connection, transaction

from rollbook.accounting.account import Account
from rollbook.accounting.admission import admission
from rollbook.engines.database import LiveSubscription
from rollbook.model.fact import Fact
from rollbook.model.instants import DAY_US, from_us, iso
from rollbook.model.window import Window
from rollbook.server.live import contracts, metering, people
from rollbook.server.models import Crossing, Customer, Organisation, Reservation
from rollbook.server.models.contracts import SHADOW
from rollbook.server.receiving.ingest import Sender, ingest_within

RESERVED_MINUTES = 60
"""How long a place is kept for somebody who was admitted and has not acted."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Asked:
    """Who wants to start what: the fact that would follow. Without a type, the first that the plan counts."""

    organisation: str
    learner: str
    type: str = ""
    role: str = "learner"
    mode: str = ""
    object: str = ""
    reserve: bool = True


@dataclass(frozen=True, slots=True)
class _Verdict:
    """What one subscription says."""

    live: LiveSubscription
    window: Window
    counted: bool
    would_count: bool
    remaining: int
    allowed: bool
    reason: str


@transaction.atomic
def admit(asked: Asked, customer: Customer, now_us: int) -> dict[str, Any]:
    """What every subscription of the customer that covers the organisation says, and whether all say yes."""
    metering.locked([customer.pk])
    Reservation.objects.filter(subscription__customer=customer, until__lte=from_us(now_us)).delete()
    learner = people.surrogate(customer.pk, asked.learner) or "" if asked.learner else ""
    shadows = set(customer.subscriptions.filter(kind=SHADOW).values_list("pk", flat=True))
    verdicts = [
        _judged(live, asked, learner, now_us)
        for live in contracts.live_of_customers([customer.pk])
        if live.key not in shadows
        and live.subscription.start_us <= now_us < live.subscription.end_us
        and asked.organisation in (live.subscription.organisations or ())
    ]
    allowed = all(verdict.allowed for verdict in verdicts)
    newcomer_to = [it for it in verdicts if it.would_count and not it.counted]
    if allowed and asked.reserve and asked.learner and newcomer_to:
        [learner] = people.surrogates(customer.pk, [asked.learner]).values()
        for verdict in newcomer_to:
            _reserve(verdict, asked, learner, now_us)
    else:
        transaction.set_rollback(True)
    return {
        "allowed": allowed,
        "subscriptions": [
            {
                "subscription": it.live.key,
                "window": it.window.number,
                "end": iso(it.window.end_us),
                "allowed": it.allowed,
                "counted": it.counted,
                "would_count": it.would_count,
                "remaining": it.remaining,
                "reason": it.reason,
            }
            for it in verdicts
        ],
    }


def _judged(live: LiveSubscription, asked: Asked, learner: str, now_us: int) -> _Verdict:
    live = metering.begin_windows(live, now_us)
    found = metering.account_of(live, now_us + 1)
    [window] = [it for it in found.windows if it.contains(now_us)]
    plan = live.subscription.plan_at(window.start_us)
    pool = asked.organisation if plan.allowance.pool_scope == "organisation" else ""
    counted = bool(learner) and _is_counted(live, window, asked, learner)
    would_count = counted or _would_count(live, asked, window, found, now_us)
    remaining = _remaining(found, window, pool) - _reserved(live, window, pool, asked, learner)
    decision = admission(
        plan.limit,
        remaining=remaining,
        counted=counted,
        would_count=would_count,
        in_grace=_in_grace(live, window, pool, plan.limit.grace_days, now_us),
    )
    return _Verdict(live, window, counted, would_count, remaining, decision.allowed, decision.reason)


def _remaining(found: Account, window: Window, pool: str) -> int:
    if found.seats:
        return next(it.available for it in found.seats if it.window.number == window.number)
    return next((it.available for it in found.of(window.number) if it.pool == pool), 0)


def _is_counted(live: LiveSubscription, window: Window, asked: Asked, learner: str) -> bool:
    """Whether the unit that would act is active in a window: the person, under whatever id they have now.

    Where organisations count people apart, it is the person in this one; of enrolments, the one in this object.
    """
    parameters: tuple[object, ...]
    of_unit, parameters = "", (live.key, window.number, live.scope(asked.organisation))
    if _of_enrolments(live):
        of_unit, parameters = "and organisation = %s and object = %s", (*parameters, asked.organisation, asked.object)
    where = f"subscription = %s and window_number = %s and scope = %s {of_unit}"
    with connection.cursor() as cursor:
        # One after the other: units are found by their index, and clusters by reading them.
        for column in ("unit", "cluster"):
            cursor.execute(f"select 1 from activation where {where} and {column} = %s limit 1", (*parameters, learner))
            if cursor.fetchone() is not None:
                return True
    return False


def _would_count(live: LiveSubscription, asked: Asked, window: Window, before: Account, now_us: int) -> bool:
    """Whether the fact that would follow makes somebody active: it is tried, and rolled back."""
    meter = live.subscription.plan.meter
    fact = Fact(
        id=f"admission {now_us}",
        source="rollbook admissions",
        at_us=now_us,
        type=asked.type or (meter.holds.on if meter.holds else meter.counts)[0],
        organisation=asked.organisation,
        learner=asked.learner,
        role=asked.role,
        mode=asked.mode,
        object=asked.object,
    )
    point = transaction.savepoint()
    try:
        owner = Organisation.objects.get(name=asked.organisation).customer_id
        ingest_within([fact], Sender("admissions", owner), now_us)
        after = metering.account_of(live, now_us + 1)
    finally:
        transaction.savepoint_rollback(point)
    return _active(after, window) > _active(before, window)


def _active(found: Account, window: Window) -> int:
    return sum(used.active for used in found.of(window.number))


def _of_enrolments(live: LiveSubscription) -> bool:
    """Whether the unit is a learner in one object, rather than a learner."""
    return live.meter.unit == "enrolment"


def _reserved(live: LiveSubscription, window: Window, pool: str, asked: Asked, learner: str) -> int:
    """Places kept for other units that have not acted yet; one question, however many there are."""
    place = "''" if live.meter.across else "organisation"
    own = ("" if live.meter.across else asked.organisation, _object(live, asked), learner)
    scope = "''" if live.scope("of one") == "" else "kept.place"
    in_object = "and {0}.organisation = kept.place and {0}.object = kept.object" if _of_enrolments(live) else ""
    active = "active.subscription = %s and active.window_number = %s"
    with connection.cursor() as cursor:
        cursor.execute(
            f"""with kept as (
                    select distinct {place} as place, object, learner from reservation
                    where subscription_id = %s and window_number = %s and pool = %s),
                linked as (
                    select scope, cluster, organisation, object from activation as active
                    where {active} and cluster <> unit)
                select count(*) from kept
                where not (place = %s and object = %s and learner = %s)
                and not exists (select 1 from activation as active where {active} and active.scope = {scope}
                                and active.unit = kept.learner {in_object.format("active")})
                and not exists (select 1 from linked where linked.scope = {scope}
                                and linked.cluster = kept.learner {in_object.format("linked")})""",
            [
                *(live.key, window.number, pool),
                *(live.key, window.number),
                *own,
                *(live.key, window.number),
            ],
        )
        return int(cursor.fetchone()[0])


def _object(live: LiveSubscription, asked: Asked) -> str:
    """The object whose place it is; a learner's place is of none."""
    return asked.object if _of_enrolments(live) else ""


def _reserve(verdict: _Verdict, asked: Asked, learner: str, now_us: int) -> None:
    plan = verdict.live.subscription.plan_at(verdict.window.start_us)
    Reservation.objects.update_or_create(
        subscription_id=verdict.live.key,
        window_number=verdict.window.number,
        organisation=asked.organisation,
        learner=learner,
        object=_object(verdict.live, asked),
        defaults={
            "pool": asked.organisation if plan.allowance.pool_scope == "organisation" else "",
            "until": from_us(now_us) + timedelta(minutes=RESERVED_MINUTES),
        },
    )


def _in_grace(live: LiveSubscription, window: Window, pool: str, grace_days: int, now_us: int) -> bool:
    """Whether the days of grace since the allowance was used up still run."""
    if not grace_days:
        return False
    full = Crossing.objects.filter(
        subscription=live.key, window_number=window.number, pool=pool, percent=100, forecast=False
    ).first()
    return full is None or now_us < int(full.at.timestamp() * 10**6) + grace_days * DAY_US
