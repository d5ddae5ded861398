"""Which facts wait and which were refused, for those who look after what is sent.

Neither list says whom a fact names: no id of a learner or of a fact, for a guest is known by the fact's.
"""

from __future__ import annotations

from datetime import datetime

from django.db.models import Aggregate, Count, Model, QuerySet, Sum
from django.http import HttpRequest
from ninja import Router, Schema

from rollbook.model.instants import iso
from rollbook.server.access.principals import Principal, needs, principal_of
from rollbook.server.api.fields import Cursor, Limit
from rollbook.server.api.paging import Row, page
from rollbook.server.models import HeldFact, Refusal
from rollbook.server.receiving import expiry

router = Router(tags=["facts"])


class HeldFactOut(Schema):
    """A fact that waits: for its time, or for a customer with the organisation that it names.

    expires_at  when it is refused unless a customer has the organisation by then; null where it waits for its time
    """

    id: int
    reason: str
    customer: int | None
    organisation: str
    source: str
    type: str
    occurred_at: str
    received_at: datetime
    expires_at: datetime | None


class HeldFactsOut(Schema):
    """A page of facts that wait, the newest first; `counts` are of all of them, by reason."""

    counts: dict[str, int]
    items: list[HeldFactOut]
    next: int | None


class RefusalOut(Schema):
    """A fact that was refused, and why; `index` is its place in its call, from 0. Not all of a large call are kept.

    facts     1; for `expired`, which has no call, how many of one organisation and source were refused at once
    resolved  whether an operator said that it is mended
    """

    id: int
    at: datetime
    sender: str
    customer: int | None
    index: int
    code: str
    rule: str
    remedy: str
    facts: int
    resolved: bool


class RefusalsOut(Schema):
    """A page of refused facts, the newest first; `counts` are of all that are kept, by code."""

    counts: dict[str, int]
    items: list[RefusalOut]
    next: int | None


@router.get("/held-facts", auth=needs("facts:write", "manage"), response=HeldFactsOut, summary="Facts that wait")
def held_facts(request: HttpRequest, after: Cursor = 0, limit: Limit = 100) -> HeldFactsOut:
    """What waits and is not counted yet; a customer's own alone. What names an unknown organisation is the vendor's."""
    rows = _own(HeldFact.objects.all(), principal_of(request))
    found, following = page(rows, after, limit, newest_first=True)
    return HeldFactsOut(counts=_counts(rows, "reason", Count("pk")), items=[_held(it) for it in found], next=following)


@router.get("/refusals", auth=needs("facts:write", "manage"), response=RefusalsOut, summary="Facts that were refused")
def refusals(request: HttpRequest, after: Cursor = 0, limit: Limit = 100) -> RefusalsOut:
    """What was refused lately; of a customer's own senders alone. What the platform sent is the vendor's."""
    rows = _own(Refusal.objects.all(), principal_of(request))
    found, following = page(rows, after, limit, newest_first=True)
    return RefusalsOut(counts=_counts(rows, "code", Sum("facts")), items=[_refusal(it) for it in found], next=following)


def _own(rows: QuerySet[Row], principal: Principal) -> QuerySet[Row]:
    if principal.vendor:
        return rows
    return rows.none() if principal.customer is None else rows.filter(customer=principal.customer)


def _counts(rows: QuerySet[Model], name: str, facts: Aggregate) -> dict[str, int]:
    return dict(rows.order_by(name).values_list(name).annotate(facts=facts))


def _held(row: HeldFact) -> HeldFactOut:
    return HeldFactOut(
        id=row.pk,
        reason=row.reason,
        customer=row.customer_id,
        organisation=row.organisation,
        source=row.source,
        type=row.content.get("type", ""),
        occurred_at=iso(row.at_us),
        received_at=row.received_at,
        expires_at=row.received_at + expiry.waits() if row.reason == HeldFact.UNKNOWN else None,
    )


def _refusal(row: Refusal) -> RefusalOut:
    return RefusalOut(
        id=row.pk,
        at=row.at,
        sender=row.sender,
        customer=row.customer_id,
        index=row.index,
        code=row.code,
        rule=row.rule,
        remedy=row.remedy,
        facts=row.facts,
        resolved=row.resolved_at is not None,
    )
