"""What is wrong with what is sent, in groups: each with how many, the first and the last, an example, and what to do.

Refused facts are grouped by sender and code; facts that wait by organisation and source; of unknown types there is one
group for each type of a customer. What is grouped is the latest `LOOKED_AT` of each: more than anybody mends in a day,
and bounded. Nothing here says whom a fact names.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any
from urllib.parse import urlencode

from django.db.models import Count, Max, Min, Q, QuerySet, Sum
from django.urls import reverse
from django.utils.translation import gettext

from rollbook.model.fact import TYPES
from rollbook.model.instants import from_us
from rollbook.model.keys import nearest
from rollbook.server.live import contracts
from rollbook.server.models import HeldFact, Refusal, Subscription, UnknownType
from rollbook.server.pages import reading
from rollbook.server.receiving import expiry

LOOKED_AT = 5_000
GROUPS = 10
"""Of a section, on a page."""

TERMS_MAX = 500
"""Terms whose plans are looked at for what they count, of the customers of a page."""

CONFLICT = "conflict"
OPEN, RESOLVED = "open", "resolved"
NAMES = ("conflicts", "refused", "types", "held", "ahead")
"""The sections, in their order: also where the address keeps the place at which each goes on."""


@dataclass(frozen=True, slots=True)
class Group:
    """Facts with one problem.

    example  (label, value) of the last
    to       where it is mended: words and address
    tick     what a form says to tick it off; nothing where it goes by itself
    """

    title: str
    where: str
    facts: int
    first: datetime
    last: datetime
    rule: str
    remedy: str
    example: Sequence[tuple[str, Any]] = ()
    href: str = ""
    to: tuple[str, str] | None = None
    tick: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Section:
    """Groups of one kind, and the places before and after, as `{% pages %}` takes them."""

    name: str
    title: str
    said: str
    groups: Sequence[Group]
    before: int | str | None
    after: int | None


Found = tuple[list[Group], bool]
"""Groups of a page, and whether there are more."""


def within(state: str) -> Q:
    """Rows that are open, or ticked off."""
    return Q(resolved_at__isnull=state == OPEN)


def sections(state: str, starts: Mapping[str, int]) -> Iterator[Section]:
    """All of them, each from its place on. What waits cannot be ticked off: it goes by itself."""
    latest = _latest(Refusal.objects.all()).filter(within(state))
    asked: dict[str, tuple[str, str, Callable[[int], Found]]] = {
        "conflicts": (
            gettext("Conflicting facts"),
            gettext("The same source and id, with another content: the first that came stands, and counts"),
            lambda start: _refused(latest.filter(code=CONFLICT), state, start),
        ),
        "refused": (
            gettext("Refused facts"),
            gettext("By sender and code; the sender mends them and sends them again"),
            lambda start: _refused(latest.exclude(code=CONFLICT), state, start),
        ),
        "types": (
            gettext("Unknown types"),
            gettext("Kept, and counted only where a plan names the type"),
            lambda start: _strange(state, start),
        ),
    }
    if state == OPEN:
        waiting = _latest(HeldFact.objects.all())
        asked["held"] = (
            gettext("Facts that wait for their organisation"),
            gettext("Counted by themselves as soon as a customer has it"),
            lambda start: _waiting(waiting.filter(reason=HeldFact.UNKNOWN), _unowned, start),
        )
        asked["ahead"] = (
            gettext("Facts that lie ahead"),
            gettext("Further ahead than clocks differ; counted by themselves when their time has come"),
            lambda start: _waiting(waiting.filter(reason=HeldFact.FUTURE), _ahead, start),
        )
    for name, (title, said, ask) in asked.items():
        start = min(starts.get(name, 0), LOOKED_AT)
        found, more = ask(start)
        before: int | str | None = (start - GROUPS if start > GROUPS else "") if start else None
        yield Section(name, title, said, found, before, start + GROUPS if more else None)


def _latest(rows: QuerySet[Any]) -> QuerySet[Any]:
    newest = rows.order_by("-pk").values_list("pk", flat=True).first() or 0
    return rows.filter(pk__gt=newest - LOOKED_AT).order_by()


def _refused(rows: QuerySet[Refusal], state: str, start: int) -> Found:
    """By sender and code, with rule and remedy of the last."""
    grouped = rows.values("sender", "code").annotate(
        count=Sum("facts"), newest=Max("pk"), first=Min("at"), last=Max("at")
    )
    found = list(grouped.order_by("-count", "-newest")[start : start + GROUPS + 1])
    lasts = Refusal.objects.select_related("customer").in_bulk([it["newest"] for it in found[:GROUPS]])
    groups = [_of_refusals(it, row, state) for it in found[:GROUPS] if (row := lasts.get(it["newest"]))]
    return groups, len(found) > GROUPS


def _of_refusals(it: Mapping[str, Any], row: Refusal, state: str) -> Group:
    example: list[tuple[str, Any]] = [(gettext("customer"), row.customer.name)] if row.customer else []
    if row.code != expiry.CODE:
        example.append((gettext("place in its call"), reading.number(row.index)))
    return Group(
        title=it["code"],
        where=it["sender"],
        facts=it["count"],
        first=it["first"],
        last=it["last"],
        rule=row.rule,
        remedy=row.remedy,
        example=example,
        href=f"{reverse('problems')}?{urlencode({'code': it['code'], 'sender': it['sender'], 'state': state})}",
        to=(gettext("To the customers"), reverse("customers")) if row.code == expiry.CODE else None,
        tick={"kind": "refusal", "sender": it["sender"], "code": it["code"], "seen": it["newest"]},
    )


def _strange(state: str, start: int) -> Found:
    """Types that are not in the vocabulary, the last that came first."""
    rows = UnknownType.objects.filter(within(state)).select_related("customer").order_by("-last_at", "-pk")
    found = list(rows[start : start + GROUPS + 1])
    counted = _counted({row.customer_id for row in found[:GROUPS]})
    return [_of_type(row, counted.get(row.customer_id, set())) for row in found[:GROUPS]], len(found) > GROUPS


def _of_type(row: UnknownType, counted: set[str]) -> Group:
    near = nearest(row.type, TYPES).removeprefix(" (nearest: ").removesuffix(")")
    rule = gettext("No plan of theirs counts it.")
    remedy = gettext("mend the sender, and let it send them again under a known type; or name it in a plan.")
    if row.type in counted:
        rule, remedy = gettext("A plan of theirs counts it."), gettext("none; tick it off.")
    elif near:
        remedy = gettext("if %(near)s is meant, let the sender say so, and send these again; or name it in a plan.")
        remedy %= {"near": near}
    return Group(
        title=row.type or gettext("(all other types)"),
        where=row.customer.name,
        facts=row.facts,
        first=row.first_at,
        last=row.last_at,
        rule=rule,
        remedy=remedy,
        example=[(gettext("organisation"), row.organisation), (gettext("source"), row.source)],
        tick={"kind": "type", "number": row.pk, "seen": row.facts},
    )


def _counted(customers: set[int]) -> dict[int, set[str]]:
    """The types that any plan of a customer counts."""
    found: dict[int, set[str]] = {}
    rows = Subscription.objects.filter(customer__in=customers).select_related("plan").prefetch_related("changes__plan")
    for row in rows.order_by("-pk")[:TERMS_MAX] if customers else ():
        for version in (row.plan, *(it.plan for it in row.changes.all())):
            found.setdefault(row.customer_id, set()).update(contracts.plan_of(version).meter.types)
    return found


def _waiting(rows: QuerySet[HeldFact], made: Callable[[Mapping[str, Any], HeldFact], Group], start: int) -> Found:
    """By organisation and source, with the last."""
    grouped = rows.values("organisation", "source").annotate(
        count=Count("pk"), newest=Max("pk"), first=Min("received_at"), last=Max("received_at"), earliest=Min("at_us")
    )
    found = list(grouped.order_by("-count", "organisation", "source")[start : start + GROUPS + 1])
    lasts = HeldFact.objects.select_related("customer").in_bulk([it["newest"] for it in found[:GROUPS]])
    groups = [made(it, row) for it in found[:GROUPS] if (row := lasts.get(it["newest"]))]
    return groups, len(found) > GROUPS


def _unowned(it: Mapping[str, Any], row: HeldFact) -> Group:
    until = reading.day_of(it["first"] + expiry.waits(), "UTC")
    remedy = gettext("add it on the page of its customer by %(day)s (UTC): then those that wait longest are refused.")
    return _held(
        it,
        row,
        gettext("No customer has this organisation."),
        remedy % {"day": until},
        (gettext("To the customers"), reverse("customers")),
    )


def _ahead(it: Mapping[str, Any], row: HeldFact) -> Group:
    rule = gettext("Their time is still to come: the next on %(at)s (UTC).")
    to = (row.customer.name, reverse("customer", kwargs={"number": row.customer_id})) if row.customer else None
    words = rule % {"at": reading.moment(from_us(it["earliest"]), "UTC")}
    return _held(it, row, words, gettext("none, if that is meant; else set the clock of the sender right."), to)


def _held(it: Mapping[str, Any], row: HeldFact, rule: str, remedy: str, to: tuple[str, str] | None) -> Group:
    return Group(
        title=it["organisation"],
        where=it["source"],
        facts=it["count"],
        first=it["first"],
        last=it["last"],
        rule=rule,
        remedy=remedy,
        example=[
            (gettext("type"), row.content.get("type", "")),
            (gettext("happened at"), f"{reading.moment(from_us(row.at_us), 'UTC')} (UTC)"),
        ],
        to=to,
    )
