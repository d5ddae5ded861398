"""What was used, who counted, and why: answers from the live counts."""

from __future__ import annotations

from typing import Annotated, Any

from django.http import HttpRequest
from django.utils import timezone
from ninja import Router, Schema, Status
from pydantic import Field

from rollbook.metering.calendar import windows
from rollbook.model.instants import iso
from rollbook.reports.explain import AFTER, BEFORE, Explanation, FactLine
from rollbook.server.access.principals import needs, principal_of, subscription_for
from rollbook.server.api.errors import also
from rollbook.server.api.fields import Body, Cursor, Id, LearnerId, Limit
from rollbook.server.clock import now_us
from rollbook.server.live import contracts, people, uncounted
from rollbook.server.live.explaining import explain_learner
from rollbook.server.live.roll import roll
from rollbook.server.live.usage import usage
from rollbook.server.models import ReportedCount, Subscription
from rollbook.server.refusals import missing, refused

router = Router(tags=["usage"])

Window = Annotated[int, Field(ge=1, le=1000, description="counts from 1 within the term; by default the one that runs")]


class PoolOut(Schema):
    """What one pool used in one window; the names are those of statements.

    used_to_date, included_to_date  what is compared: of the term so far where the pool is the term's
    percent                         of what is included; null where nothing is
    available                       what is left; below 0 by how much was used beyond it
    """

    pool: str
    active: int
    new: int
    continuing: int
    reactivated: int
    guests: int
    allowance: int
    included: int
    overage: int
    overage_to_date: int
    available: int
    carried: int
    granted: int
    free: int
    expired: int
    balance: int
    used_to_date: int
    included_to_date: int
    percent: float | None


class SeatsOut(Schema):
    """What happened to the seats of a window."""

    quantity: int
    held_at_start: int
    held_at_end: int
    taken: int
    released: int
    peak: int
    awaiting: int
    ever: int
    counted: int
    overage: int
    available: int


class WindowOut(Schema):
    """One window: [start, end), and what it costs so far; null where a price is not known."""

    window: int
    start: str
    end: str
    open: bool
    pools: list[PoolOut]
    seats: SeatsOut | None
    total: str | None


class PlanOut(Schema):
    """The plan that holds now."""

    id: str
    title: str
    summary: str
    sources: list[str]
    allowance_per: str
    limit_policy: str
    thresholds: list[int]


class TermOut(Schema):
    """Whole local days, the end excluded; and both as instants."""

    start: str
    end: str
    zone: str
    from_: Annotated[str, Field(alias="from")]
    until: str


class UsageOut(Schema):
    """The usage of one subscription. `window` is the number of the window that runs, null outside the term."""

    subscription: int
    customer: str
    kind: str
    plan: PlanOut
    term: TermOut
    as_of: str
    window: int | None
    windows: list[WindowOut]
    currency: str
    total: str | None


class LearnerOut(Schema):
    """One unit that counted, by which fact; `standing` is included or beyond."""

    position: int
    organisation: str
    kind: str
    learner: str
    erased: bool
    name: str
    email: str
    object: str
    class_: Annotated[str, Field(alias="class")]
    first_at: str
    source: str
    fact: str
    facts: int
    standing: str


class RollOut(Schema):
    """A page of those who counted; `next` is what `after` asks for, null at the end."""

    window: int
    learners: list[LearnerOut]
    next: int | None


class DoneOut(Schema):
    """Facts of one type: how many, and when the first and the last of them happened."""

    type: str
    facts: int
    first_at: str
    last_at: str


class ReasonOut(Schema):
    """What became of some facts of one organisation, what that means, and of which types they are."""

    organisation: str
    disposition: str
    meaning: str
    facts: int
    types: list[DoneOut]


class UncountedLearnerOut(Schema):
    """Somebody who did something and did not count."""

    learner: str
    erased: bool
    name: str
    email: str
    reasons: list[ReasonOut]


class NotCountedOut(Schema):
    """A page of those who did not count; `next` is what `after` asks for, null at the end and nowhere else."""

    window: int
    start: str
    end: str
    learners: list[UncountedLearnerOut]
    next: int | None


class FactOut(Schema):
    """One fact and what became of it; `proves` where it is the one that made its unit active."""

    at: str
    type: str
    role: str
    object: str
    source: str
    id: str
    disposition: str
    proves: bool


class ExplainedWindowOut(Schema):
    """One window: as what the learner counted, and what happened; `left_out` is how many facts are not listed."""

    window: int
    start: str
    end: str
    counted: bool
    classes: list[str]
    facts: list[FactOut]
    left_out: int


class ExplanationOut(Schema):
    """Why somebody counted, or did not; `ids` are all that belong to them.

    Of somebody with more than 5,000 facts the first 200 of each window are listed, and those that prove; `left_out` is
    how many facts of no window are not listed.
    """

    ids: list[str]
    before: list[FactOut]
    windows: list[ExplainedWindowOut]
    after: list[FactOut]
    left_out: int


class ReportedIn(Body):
    """What another system says is the count of a window."""

    active: Annotated[int, Field(ge=0, le=2**31 - 1)]
    window: Window | None = None


class ReportedOut(Schema):
    """What was noted; it is compared within a day, and a difference is told."""

    subscription: int
    window: int
    active: int


@router.get("/subscriptions/{number}/usage", auth=needs("usage:read"), response=UsageOut, by_alias=True)
def read_usage(request: HttpRequest, number: Id) -> dict[str, Any]:
    """What was used of what is included, window by window, now."""
    return usage(subscription_for(principal_of(request), number), now_us())


@router.get("/subscriptions/{number}/learners", auth=needs("learners:read"), response=RollOut, by_alias=True)
def read_learners(
    request: HttpRequest,
    number: Id,
    window: Window | None = None,
    after: Annotated[int, Field(ge=0, le=2**31 - 1)] = 0,
    limit: Limit = 100,
    beyond: bool = False,  # noqa: FBT001, FBT002 - a parameter of the address
) -> dict[str, Any]:
    """Who counted in a window, in the order in which they came, with the fact that proves it."""
    row = subscription_for(principal_of(request), number)
    return roll(row, window_asked(row, window), now_us(), after=after, limit=limit, beyond_only=beyond)


@router.get(
    "/subscriptions/{number}/not-counted",
    auth=needs("learners:read"),
    response=NotCountedOut,
    openapi_extra=also(409, 503),
)
def read_not_counted(
    request: HttpRequest, number: Id, window: Window | None = None, after: Cursor = 0, limit: Limit = 500
) -> dict[str, Any]:
    """Who did something in a window and did not count in it, and why. A page may have fewer than `limit`."""
    row = subscription_for(principal_of(request), number)
    return uncounted.not_counted(row, window_asked(row, window), now_us(), after=after, limit=limit)


@router.get(
    "/subscriptions/{number}/learners/{path:learner}",
    auth=needs("learners:read"),
    response=ExplanationOut,
    openapi_extra=also(409, 422, 503),
)
def read_learner(request: HttpRequest, number: Id, learner: LearnerId) -> dict[str, Any]:
    """Why one learner counted or did not, window by window, with everything they did; or a guest's entry by its id."""
    row = subscription_for(principal_of(request), number)
    known = people.surrogate(row.customer_id, learner)
    # An id that nobody has is no surrogate either: it would tell of somebody else.
    found = explain_learner(row, known or learner, now_us(), is_entry=known is None)
    names = people.named(found.learners) if known else {}
    return {
        "ids": [names[it].learner or "(erased)" if it in names else it for it in found.learners],
        "before": [_fact(line) for line in found.before],
        "windows": [
            {
                "window": it.window.number,
                "start": iso(it.window.start_us),
                "end": iso(it.window.end_us),
                "counted": bool(it.activations),
                "classes": [active.class_ for active in it.activations],
                "facts": [_fact(line) for line in it.lines],
                "left_out": _left_out(found, it.window.number),
            }
            for it in found.windows
        ],
        "after": [_fact(line) for line in found.after],
        "left_out": _left_out(found, BEFORE) + _left_out(found, AFTER),
    }


@router.post("/subscriptions/{number}/reported-counts", auth=needs("facts:write"), response={201: ReportedOut})
def report_count(request: HttpRequest, number: Id, body: ReportedIn) -> Status[dict[str, Any]]:
    """Notes what another system says is the count; it is compared with ours every day."""
    row = subscription_for(principal_of(request), number)
    window = window_asked(row, body.window)
    ReportedCount.objects.create(subscription=row, at=timezone.now(), window_number=window, active=body.active)
    return Status(201, {"subscription": row.pk, "window": window, "active": body.active})


def window_asked(row: Subscription, asked: int | None) -> int:
    """The window asked for, or the one that runs or ran last."""
    subscription = contracts.subscription_of(row)
    begun = min(contracts.windows_begun(subscription, now_us()), len(windows(subscription)))
    if asked is not None and asked > begun:
        raise missing("window")
    if begun == 0:
        raise refused(422, "term-not-begun", "window", "no window of this term has begun", "wait until it begins")
    return asked or begun


def _left_out(found: Explanation, window: int) -> int:
    return sum(found.left_out.get(window, {}).values())


def _fact(line: FactLine) -> dict[str, Any]:
    fact = line.fact
    return {
        "at": iso(fact.at_us),
        "type": fact.type,
        "role": fact.role,
        "object": "" if fact.type == "identity.linked" else fact.object,
        "source": fact.source,
        "id": fact.id,
        "disposition": line.disposition,
        "proves": line.proves,
    }
