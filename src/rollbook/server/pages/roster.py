"""The roster of a customer: who is enrolled, what can be done with it, and the four ways to make a learner inactive.

Whatever is shown follows from status facts, see `live.roster`. Nothing is changed here: every button asks
`roster_change` first what it would count and cost.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from urllib.parse import urlencode

from django.http import HttpRequest, HttpResponse
from django.urls import reverse
from django.utils.translation import gettext, gettext_lazy

from rollbook.model.roster import Enrolment
from rollbook.server import clock
from rollbook.server.access.principals import Principal, customer_for
from rollbook.server.live import roster as live
from rollbook.server.live import roster_requests
from rollbook.server.models import Audit, Customer
from rollbook.server.pages import roster_counting as counting
from rollbook.server.pages import shell
from rollbook.server.pages.declared import PAGES
from rollbook.server.pages.learners import Choice
from rollbook.server.pages.office.forms import cursor
from rollbook.server.pages.registry import page
from rollbook.server.pages.roster_asking import CLEAN_UP, ROWS_MAX
from rollbook.server.receiving import rules
from rollbook.server.refusals import RefusedError, missing, refused

READ, WRITE = "roster:read", "roster:write"

PAGE_MAX = 50
"""Learners of one page."""

CHOICES_MAX = 200
"""Organisations that stand in a list to choose from."""

COURSES_MAX = 200
"""Courses of one page."""

CYCLES = "guides/roster#4-let-rules-do-it"
"""Where rules are explained."""

STANDINGS = (
    (live.ACTIVE, gettext_lazy("Active")),
    (live.INACTIVE, gettext_lazy("Inactive")),
    (live.ENABLED, gettext_lazy("With an enabled enrolment")),
    (live.NONE_ENABLED, gettext_lazy("Without an enabled enrolment")),
)


@dataclass(frozen=True, slots=True)
class Filters:
    """What the list of learners is narrowed to."""

    search: str = ""
    organisation: str = ""
    course: str = ""
    standing: str = ""


@dataclass(frozen=True, slots=True)
class Offer:
    """A course offer with its links: to those who are enrolled, and to what can be done with them."""

    course: live.Course
    href: str
    change: str


@page("customers/<int:number>/roster", READ, name="roster")
def roster(request: HttpRequest, principal: Principal, number: int) -> HttpResponse:
    """/customers/{number}/roster: the learners."""
    customer, now_us = customer_for(principal, number), clock.now_us()
    organisations = organisations_of(customer)
    asked, after = _asked(request), cursor(request)
    found = live.page(
        customer,
        search=asked.search,
        course=asked.course,
        organisation=asked.organisation,
        standing=asked.standing,
        after=after,
        limit=PAGE_MAX,
        now_us=now_us,
    )
    is_all = not after and found.next is None
    shown = {
        "lines": sorted(found.lines, key=_called) if is_all else found.lines,
        "narrow": found.narrow,
        "next": found.next,
        "first": 0 if after else None,
        "asked": asked,
        "filtered": asked != Filters(),
        "choices": list(_choices(asked, organisations)),
        "several": len(organisations) > 1,
        "offer": _change(customer, asked, organisations) if asked.course and found.lines else "",
        "courses_href": reverse("roster-courses", kwargs={"number": number}),
        "connects": "connect" in PAGES and any(map(principal.may, PAGES["connect"].needs)),
    }
    return show(request, principal, "roster/learners.html", shown, customer, now_us, "learners")


@page("customers/<int:number>/roster/learners/<int:learner>", READ, name="roster-learner")
def learner(request: HttpRequest, principal: Principal, number: int, learner: int) -> HttpResponse:
    """/customers/{number}/roster/learners/{learner}: one person, in each organisation that has them."""
    customer, now_us = customer_for(principal, number), clock.now_us()
    lines = live.learner(customer, learner, now_us) if learner < 2**63 else ()
    if not lines:
        raise missing("learner")
    requested = roster_requests.latest(customer, learner)
    shown = {
        "who": lines[0],
        "lines": [
            (
                it,
                requested.get((it.organisation, "account", "")),
                [(one, label(one), requested.get((it.organisation, "enrolment", one.object))) for one in it.enrolments],
            )
            for it in lines
        ],
        "several": len(lines) > 1,
    }
    crumb = (gettext("Roster"), reverse("roster", kwargs={"number": number}))
    return show(request, principal, "roster/learner.html", shown, customer, now_us, "", crumb)


@page("customers/<int:number>/roster/courses", READ, name="roster-courses")
def courses(request: HttpRequest, principal: Principal, number: int) -> HttpResponse:
    """/customers/{number}/roster/courses: the course offers; with `course`, what can be done with one."""
    customer, now_us = customer_for(principal, number), clock.now_us()
    organisation, name = request.GET.get("organisation", ""), request.GET.get("course", "")
    found: tuple[live.Course, ...] = ()
    wrong, chosen, organisations = [], None, organisations_of(customer)
    try:
        found = live.courses(customer, now_us, organisation)
    except RefusedError as error:  # there is too much to list: less can be chosen
        if error.code != "too-many":
            raise
        wrong = [*error.problems]
    if name and not wrong:
        chosen = next((it for it in found if (it.organisation, it.course) == (organisation, name)), None)
        if chosen is None:
            raise missing("course")
    after = min(cursor(request), len(found))
    shown = {
        "chosen": _offer(customer, chosen) if chosen else None,
        "courses": [_offer(customer, it) for it in found[after : after + COURSES_MAX]],
        "next": after + COURSES_MAX if len(found) > after + COURSES_MAX else None,
        "first": 0 if after else None,
        "several": len(organisations) > 1,
        "wrong": wrong,
        "choices": list(_choices(Filters(organisation=organisation), organisations))[:-1],
    }
    return show(request, principal, "roster/courses.html", shown, customer, now_us, "courses")


@page("customers/<int:number>/roster/ways", READ, name="roster-ways")
def ways(request: HttpRequest, principal: Principal, number: int) -> HttpResponse:
    """/customers/{number}/roster/ways: the four ways (W-24), side by side."""
    customer, now_us = customer_for(principal, number), clock.now_us()
    return show_ways(request, principal, customer, now_us)


def show_ways(
    request: HttpRequest, principal: Principal, customer: Customer, now_us: int, wrong: Sequence[str] = ()
) -> HttpResponse:
    """The page of the four ways; `wrong` is what is wrong with a file that was sent from it."""
    organisations = organisations_of(customer)
    done = _cleaned(customer)
    shown = {
        "organisations": [(it, done.get(it)) for it in organisations],
        "cycles": cycles(),
        "example": organisations[0] if organisations else "north",
        "rows_max": ROWS_MAX,
        "wrong": wrong,
    }
    return show(request, principal, "roster/ways.html", shown, customer, now_us, "ways", status=422 if wrong else 200)


def cycles() -> str:
    """Where it is explained how a rule is written."""
    name, _, heading = CYCLES.partition("#")
    return f"{reverse('help-page', kwargs={'name': name})}#{heading}"


def label(it: Enrolment) -> str:
    """What an enrolment is called: its course, and the unit."""
    return ", ".join(filter(None, (it.course or it.object, it.unit)))


def show(
    request: HttpRequest,
    principal: Principal,
    template: str,
    shown: dict[str, Any],
    customer: Customer,
    now_us: int,
    tab: str,
    *above: shell.Crumb,
    status: int = 200,
) -> HttpResponse:
    """A page of the roster; `tab` is which one, and `above` are those on the way to it."""
    counted = counting.of(principal, customer, now_us)
    around = {
        "owner": customer,
        "tab": tab,
        "asks": bool(rules.asking(customer.pk)),
        "now_us": now_us,
        "zone": counted.zone,
        "by_account": counted.by_account,
        "by_enrolment": counted.by_enrolment,
        "savings": counted.savings,
        "counting": counted.terms if any(map(principal.may, PAGES["learner"].needs)) else [],
        "may_write": principal.may(WRITE),
    }
    crumbs = [*shell.to_customer(customer), *above]
    return shell.show(
        request,
        principal,
        template,
        {**around, **shown},
        customer=customer,
        here="roster",
        crumbs=crumbs,
        status=status,
    )


def organisations_of(customer: Customer) -> list[str]:
    """The organisations that stand in a list to choose from."""
    return list(customer.organisations.order_by("name").values_list("name", flat=True)[:CHOICES_MAX])


def _cleaned(customer: Customer) -> dict[str, datetime]:
    """When the clean-up of organisations was done here; one that came with facts is told to whoever asks for it."""
    rows = Audit.objects.filter(customer=customer, action="roster.changed", details__kind=CLEAN_UP)
    return dict(rows.order_by("-id").values_list("object", "at")[:CHOICES_MAX])


def _asked(request: HttpRequest) -> Filters:
    """What the address asks for. Raises RefusedError 422 for what is no choice."""
    given = {name: request.GET.get(name, "") for name in ("organisation", "course", "standing")}
    if given["standing"] and given["standing"] not in live.STANDINGS:
        raise refused(422, "invalid", "standing", "there is no such choice in this list", "choose another")
    return Filters(search=request.GET.get("search", "").strip()[:320], **given)


def _choices(asked: Filters, organisations: Sequence[str]) -> Iterator[Choice]:
    """Lists to choose from. Courses are not among them: to know them all, every status fact would have to be read."""
    everyone = ("", gettext("All"))
    if len(organisations) > 1:
        options = [everyone, *((it, it) for it in organisations)]
        yield Choice("organisation", gettext("Organisation"), asked.organisation, options)
    yield Choice("standing", gettext("State"), asked.standing, [everyone, *STANDINGS])


def _called(it: live.Line) -> tuple[bool, str, str]:
    """By what a list in one page is ordered: names, then ids of those without; erased people last."""
    return it.is_erased, (it.name or it.learner).casefold(), it.organisation


def _change(customer: Customer, asked: Filters, organisations: Sequence[str]) -> str:
    """Where everybody of the course is changed that a list is narrowed to; '' where several could be meant."""
    organisation = asked.organisation or (organisations[0] if len(organisations) == 1 else "")
    there = urlencode({"organisation": organisation, "course": asked.course})
    return f"{reverse('roster-courses', kwargs={'number': customer.pk})}?{there}" if organisation else ""


def _offer(customer: Customer, it: live.Course) -> Offer:
    at = {"number": customer.pk}
    asked = urlencode({"organisation": it.organisation, "course": it.course})
    return Offer(it, f"{reverse('roster', kwargs=at)}?{asked}", f"{reverse('roster-courses', kwargs=at)}?{asked}")
