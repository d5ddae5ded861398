"""Learners: who counted in a window, since when and by which fact; and who did something and did not count.

A page is read off an index, see `live.register`, among a million as among ten. Who did not count is asked afterwards,
because that has to be counted first, see `live.uncounted`.
"""

from __future__ import annotations

import base64
import binascii
import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from urllib.parse import urlencode

from django.http import HttpRequest, HttpResponse
from django.urls import reverse
from django.utils.translation import gettext, gettext_lazy

from rollbook.accounting.account import Account
from rollbook.metering.outcome import CLASSES
from rollbook.model.instants import to_us
from rollbook.model.window import Window
from rollbook.reports.named import LEARNER
from rollbook.server import clock
from rollbook.server.access.principals import Principal, subscription_for
from rollbook.server.live import people, register, uncounted
from rollbook.server.live.register import BEYOND, FIRST, GUEST, INCLUDED, LATEST, NAME, Asked, Entry
from rollbook.server.live.usage import counted
from rollbook.server.models import Person, Subscription
from rollbook.server.pages import exports, reading, reasons, shell
from rollbook.server.pages.registry import page
from rollbook.server.refusals import missing, refused

NEEDS = "learners:read"

PAGE_MAX = 50
"""Learners of one page."""

ORDERS = (
    (FIRST, gettext_lazy("Who came first")),
    (LATEST, gettext_lazy("Who came last")),
    (NAME, gettext_lazy("Name")),
)

STANDINGS = ((INCLUDED, gettext_lazy("Included")), (BEYOND, gettext_lazy("Extra")))

CLASS_WORDS = {
    "new": gettext_lazy("New"),
    "continuing": gettext_lazy("Continuing"),
    "reactivated": gettext_lazy("Reactivated"),
    GUEST: gettext_lazy("Guest"),
}


@dataclass(frozen=True, slots=True)
class Line:
    """One row of the list: the entry, and the page that says why."""

    entry: Entry
    href: str

    @property
    def class_(self) -> Any:
        """Its class, in words."""
        return CLASS_WORDS[GUEST if self.entry.guest else self.entry.class_]


@dataclass(frozen=True, slots=True)
class Choice:
    """A list to choose from: the field's name, what is chosen, and (value, words) of each."""

    name: str
    label: str
    chosen: str
    options: Sequence[tuple[str, Any]]


@page("subscriptions/<int:number>/learners", NEEDS, name="learners")
def learners(request: HttpRequest, principal: Principal, number: int) -> HttpResponse:
    """/subscriptions/{number}/learners."""
    row = subscription_for(principal, number)
    found = counted(row, clock.now_us())
    window = window_of(request, found)
    shown: dict[str, Any] = {"window": window, "tab": "counted", "who": True, "reports": _reports(principal, row)}
    if window is not None:
        asked = _asked(request, found)
        listed = register.page(row, found, window.number, asked, _place(request.GET.get("after", "")), PAGE_MAX)
        used = found.of(window.number)
        shown |= {
            "lines": [Line(it, href_of(row, it, window)) for it in listed.entries],
            "next_page": _page_at(request, _written(listed.after)) if listed.after else "",
            "first_page": _page_at(request, "") if request.GET.get("after") else "",
            "narrow": listed.narrow,
            "asked": asked,
            "filtered": asked != Asked(order=asked.order),
            "total": sum(it.active for it in used),
            "beyond": sum(it.overage for it in used),
            "choices": [windows_of(found, window), *_choices(found, asked)],
            "several": len(found.organisations) > 1,
            "objects": found.subscription.plan.meter.unit == "enrolment",
            "allows": any(it.allowance for it in used),
        }
    return _shown(request, principal, row, "learners/learners.html", shown)


@page("subscriptions/<int:number>/learners/not-counted", NEEDS, name="learners-uncounted")
def not_counted(request: HttpRequest, principal: Principal, number: int) -> HttpResponse:
    """The other tab. The list comes after the page; without a script, once it is asked for."""
    row = subscription_for(principal, number)
    found = counted(row, clock.now_us())
    window = window_of(request, found)
    shown: dict[str, Any] = {"window": window, "tab": "uncounted", "who": True, "reports": _reports(principal, row)}
    if window is not None:
        shown |= {"choices": [windows_of(found, window)], "after": request.GET.get("after", "")}
        if "list" in request.GET:
            shown |= {"listed": True} | _uncounted(request, row, window)
    return _shown(request, principal, row, "learners/uncounted.html", shown)


@page("subscriptions/<int:number>/learners/not-counted/list", NEEDS, name="learners-uncounted-list")
def not_counted_list(request: HttpRequest, principal: Principal, number: int) -> HttpResponse:
    """Its list."""
    row = subscription_for(principal, number)
    window = window_of(request, counted(row, clock.now_us()))
    if window is None:
        raise missing("window")
    return shell.part(request, "learners/uncounted_list.html", {"row": row, **_uncounted(request, row, window)})


def window_of(request: HttpRequest, found: Account) -> Window | None:
    """The window that is asked for, else the one that runs or ran last; None before the term. Raises 404."""
    begun = [it for it in found.windows if it.start_us < found.as_of_us]
    asked = request.GET.get("window", "")
    if not asked:
        return begun[-1] if begun else None
    window = next((it for it in begun if str(it.number) == asked), None)
    if window is None:
        raise missing("window")
    return window


def href_of(row: Subscription, entry: Entry, window: Window) -> str:
    """The page that says why, for this window. It names a person by the number of their row, and nothing else."""
    if entry.guest:
        address = reverse("guest", kwargs={"number": row.pk, "entry": entry.unit})
    else:
        address = reverse("learner", kwargs={"number": row.pk, "learner": int(entry.unit)})
    return f"{address}?{urlencode({'window': window.number})}"


def _shown(
    request: HttpRequest, principal: Principal, row: Subscription, template: str, shown: dict[str, Any]
) -> HttpResponse:
    return shell.show(request, principal, template, shown, row=row, here="learners", crumbs=shell.of_customer(row))


def _reports(principal: Principal, row: Subscription) -> list[exports.Offered]:
    """Those with rows of learners first: that is what is looked at here."""
    return sorted(exports.offered(principal, row), key=lambda it: it.by != LEARNER)


def _asked(request: HttpRequest, found: Account) -> Asked:
    """What the address asks for. Raises RefusedError 422 for what is no choice."""
    given = {name: request.GET.get(name, "") for name in ("organisation", "class", "standing", "order")}
    allowed = {
        "organisation": found.organisations,
        "class": (*CLASSES, GUEST),
        "standing": (INCLUDED, BEYOND),
        "order": register.ORDERS,
    }
    for name, value in given.items():
        if value and value not in allowed[name]:
            raise refused(422, "invalid", name, "there is no such choice in this list", "choose another")
    search = request.GET.get("search", "").strip()
    order = given["order"] or FIRST
    return Asked(given["organisation"], given["class"], given["standing"], search, order)


def windows_of(found: Account, window: Window) -> Choice:
    """The periods that can be looked at, the last one first."""
    begun = [it for it in found.windows if it.start_us < found.as_of_us]
    zone = found.subscription.zone
    options = [(str(it.number), reading.days(it.start_us, it.end_us, zone)) for it in reversed(begun)]
    return Choice("window", gettext("Period"), str(window.number), options)


def _choices(found: Account, asked: Asked) -> Iterator[Choice]:
    """What the list can be narrowed to: only what this plan can have."""
    everyone = ("", gettext("All"))
    if len(found.organisations) > 1:
        options = [everyone, *((it, it) for it in found.organisations)]
        yield Choice("organisation", gettext("Organisation"), asked.organisation, options)
    classes = [*CLASSES, *([GUEST] if found.subscription.plan.meter.guests != "free" else [])]
    yield Choice(
        "class", gettext("New or returning"), asked.class_, [everyone, *((it, CLASS_WORDS[it]) for it in classes)]
    )
    if any(it.allowance for it in found.consumption):
        yield Choice("standing", gettext("Included or extra"), asked.standing, [everyone, *STANDINGS])
    yield Choice("order", gettext("Order"), asked.order, ORDERS)


def _why(reason: dict[str, Any], zone: str) -> Iterator[dict[str, Any]]:
    """A reason in words, once for each type of what was done: what, how often and when."""
    for done in reason["types"]:
        first_us, last_us = (to_us(datetime.fromisoformat(done[name])) for name in ("first_at", "last_at"))
        yield {
            "facts": done["facts"],
            "words": reasons.WORDS[reason["disposition"]],
            "what": reasons.happened(done["type"]),
            "when": reading.lasted(first_us, last_us, zone),
        }


def _uncounted(request: HttpRequest, row: Subscription, window: Window) -> dict[str, Any]:
    after = request.GET.get("after") or "0"
    if not after.isdecimal() or len(after) > 18:  # noqa: PLR2004 - digits of a number of a row
        raise refused(422, "invalid", "after", "it is no place in this list", "begin at the first page")
    said = uncounted.not_counted(row, window.number, clock.now_us(), after=int(after), limit=PAGE_MAX)
    numbers = _numbers(row, [it["learner"] for it in said["learners"] if it["learner"]])
    shown = [
        it
        | {
            "number": numbers.get(it["learner"]),
            "reasons": [told for reason in it["reasons"] for told in _why(reason, row.zone)],
        }
        for it in said["learners"]
    ]
    return {"window": window, "people": shown, "next": said["next"], "begun": after != "0"}


def _numbers(row: Subscription, ids: Sequence[str]) -> dict[str, int]:
    """Under which number each id of the customer is kept."""
    digests = {people.digest(row.customer_id, it): it for it in ids}
    known = Person.objects.filter(customer=row.customer_id, digest__in=list(digests)).values_list("digest", "pk")
    return {digests[bytes(digest)]: number for digest, number in known}


def _page_at(request: HttpRequest, after: str) -> str:
    """The same list from another place on; '' is its beginning."""
    asked = request.GET.copy()
    asked.pop("after", None)
    if after:
        asked["after"] = after
    return f"{request.path}?{asked.urlencode()}"


def _written(after: Sequence[Any]) -> str:
    """A place in the list, as an address has it."""
    return base64.urlsafe_b64encode(json.dumps(after, ensure_ascii=False).encode()).decode().rstrip("=")


def _place(text: str) -> Sequence[Any]:
    """The same, read. Raises RefusedError 422."""
    if not text:
        return ()
    try:
        found = json.loads(base64.urlsafe_b64decode(text + "=" * (-len(text) % 4)).decode())
    except (ValueError, binascii.Error, RecursionError):
        found = None
    if not isinstance(found, list) or not found:
        raise refused(422, "invalid", "after", "it is no place in this list", "begin at the first page")
    return found
