"""One change of a roster: what it would do first, then, once that is confirmed, done.

Nothing is decided or counted here, see `receiving.roster`. The form that confirms has the digest of what was shown;
where it would be another now, nothing is done, and what would be now is shown instead.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from http import HTTPStatus
from typing import Any

from django.http import HttpRequest, HttpResponse
from django.urls import reverse
from django.utils.http import urlencode
from django.utils.translation import gettext

from rollbook.errors import Problem
from rollbook.model.roster import LearnerKey
from rollbook.roster.changes import DEACTIVATE
from rollbook.roster.statuses import DISABLED
from rollbook.roster.view import ACCOUNT, ENROLMENT, KINDS
from rollbook.server import clock
from rollbook.server.access.principals import Principal, customer_for
from rollbook.server.live import people
from rollbook.server.live import roster as live
from rollbook.server.models import Customer
from rollbook.server.pages import roster_asking as asking
from rollbook.server.pages import roster_counting as counting
from rollbook.server.pages import roster_words as words
from rollbook.server.pages import sentences, shell
from rollbook.server.pages.registry import page
from rollbook.server.pages.roster import WRITE, show_ways
from rollbook.server.pages.roster_asking import Wish
from rollbook.server.pages.roster_upload import show_upload
from rollbook.server.receiving import roster as doing
from rollbook.server.refusals import RefusedError, missing

PROBLEMS_MAX = 20
"""What is left undone, and is told one by one."""

UNUSABLE = ("unusable-file", "too-large")
"""What is wrong with a file that cannot be read: it is told beside it."""

MANY = 2
"""From so many on, those whom it is about are listed; one stands in the heading, or in the file."""

ORGANISATIONS_MAX = 2
"""More than one: then a file has to say which it means."""


_PLACE = re.compile(r"(?:roster\.(?:csv|zip)(?:[/:]|: )?)?(.*?):?(\d+)")


@page("customers/<int:number>/roster/change", WRITE, name="roster-change", methods=("POST",))
def change(request: HttpRequest, principal: Principal, number: int) -> HttpResponse:
    """/customers/{number}/roster/change: with `digest` it is done, without it is foreseen."""
    customer, now_us = customer_for(principal, number), clock.now_us()
    counted = counting.of(principal, customer, now_us)
    names = customer.organisations.order_by("name").values_list("name", flat=True)[:ORGANISATIONS_MAX]
    try:
        wish = asking.read(request, list(names), counted.zone, now_us)
    except RefusedError as error:
        if error.code not in UNUSABLE:
            raise
        show = show_upload if request.POST.get("act") == asking.ROSTER else show_ways
        return show(request, principal, customer, now_us, [sentences.both(it) for it in error.problems])
    stale = False
    if digest := request.POST.get("digest", ""):
        try:
            done = doing.confirm(principal, customer, wish.asked, digest, now_us)
        except RefusedError as error:
            if error.status != HTTPStatus.CONFLICT:
                raise
            stale = True
        else:
            return shell.back(request, _there(customer, wish), words.done(done))
    return _preview(request, principal, customer, wish, counted, now_us, stale=stale)


def _preview(
    request: HttpRequest,
    principal: Principal,
    customer: Customer,
    wish: Wish,
    counted: counting.Counting,
    now_us: int,
    *,
    stale: bool,
) -> HttpResponse:
    found = doing.foresee(principal, customer, wish.asked, now_us)
    problems = [*wish.unread, *found.problems]
    if wish.act == asking.LIST:
        problems.sort(key=_row)
    total = len(wish.unread) + found.problems_total
    kept = [(name, request.POST.get(name, "")) for name in asking.KEPT]
    said = words.said(wish, _who(customer, wish, now_us), found)
    shown: dict[str, Any] = {
        "owner": customer,
        "title": said.title,
        "whom": said.whom,
        "confirm": said.confirm,
        "does": words.decided(found.decided),
        "decided": bool(found.decided),
        "nothing": words.nothing(wish, found),
        "digest": found.digest,
        "stale": stale,
        "deadlines": [it for effect in found.effects for it in words.deadlines(effect)],
        "rows": [words.plan_of(it) for it in found.effects],
        "hidden": [(name, value) for name, value in kept if value],
        "packed": wish.packed,
        "back": _back(customer, wish),
        "problems": [(_line(it) if wish.packed else "", it) for it in problems[:PROBLEMS_MAX]],
        "more_problems": max(0, total - PROBLEMS_MAX),
        "whom_named": _named(found.whom) if len(found.whom) >= MANY or wish.act == asking.LIST else [],
        "more_whom": found.learners - len(found.whom),
        # Who is set inactive may still be paid for, by another plan.
        "still_counted": counted.by_enrolment if {*found.decided} == {DISABLED} and wish.act != asking.ROSTER else [],
        "by_it": _counting(counted, found.decided),
        "everywhere": wish.asked.kind == doing.COURSE and wish.act == DEACTIVATE,
        "rows_left": total if wish.act == asking.LIST else 0,
        "once": wish.act == asking.CLEAN_UP,
    }
    crumbs = [*shell.to_customer(customer), (gettext("Roster"), reverse("roster", kwargs={"number": customer.pk}))]
    status = HTTPStatus.CONFLICT if stale else HTTPStatus.OK
    return shell.show(
        request,
        principal,
        "roster/change.html",
        shown,
        customer=customer,
        here="roster",
        crumbs=crumbs,
        status=status,
    )


def _who(customer: Customer, wish: Wish, now_us: int) -> live.Line | None:
    """The learner whom it is about; None for more than one. Raises 404."""
    asked = wish.asked
    named = [*asked.learners, *(key[:2] for key in asked.enrolments)]
    if not named:
        return None
    organisation, number = named[0]
    lines = live.learner(customer, number, now_us) if number else ()
    line = next((it for it in lines if it.organisation == organisation), None)
    if line is None:
        raise missing("learner")
    return line


def _line(problem: Problem) -> str:
    """Where in a file it is, in words; '' where it is about all of it."""
    found = _PLACE.fullmatch(problem.place)
    if not found:
        return ""
    file, line = found.groups()
    words = gettext("Line %(line)s") % {"line": line}
    return f"{file}, {words}" if file else words


def _row(problem: Problem) -> int:
    """The row of a file that it is about; 0 where it is about all of it."""
    found = _PLACE.fullmatch(problem.place)
    return int(found[2]) if found else 0


def _named(whom: Sequence[LearnerKey]) -> list[tuple[int, str]]:
    """(number, what they are called) of some people."""
    found = people.named({number for _, number in whom})
    return [
        (it.pk, it.name or it.learner or gettext("somebody who was erased"))
        for number in dict.fromkeys(number for _, number in whom)
        if (it := found.get(number))
    ]


def _counting(counted: counting.Counting, decided: Iterable[str]) -> list[str]:
    """The plans that count what changes."""
    kinds = {KINDS.get(type_) for type_ in decided}
    of_accounts = counted.by_account if ACCOUNT in kinds else []
    return [*of_accounts, *(counted.by_enrolment if ENROLMENT in kinds else [])]


def _there(customer: Customer, wish: Wish) -> str:
    """Where it can be seen once it is done: of a course, the list of who is enrolled in it."""
    asked = wish.asked
    if asked.kind != doing.COURSE:
        return _back(customer, wish)
    there = urlencode({"organisation": asked.organisation, "course": asked.course})
    return f"{reverse('roster', kwargs={'number': customer.pk})}?{there}"


def _back(customer: Customer, wish: Wish) -> str:
    """Where it was asked for."""
    at = {"number": customer.pk}
    asked = wish.asked
    if asked.kind == doing.SNAPSHOT:
        return reverse("roster", kwargs=at)
    if asked.kind == doing.COURSE:
        there = urlencode({"organisation": asked.organisation, "course": asked.course})
        return f"{reverse('roster-courses', kwargs=at)}?{there}"
    if asked.kind in (doing.CLEAN_UP, doing.ROWS):
        return reverse("roster-ways", kwargs=at)
    person = (asked.enrolments or asked.learners)[0][1]
    return reverse("roster-learner", kwargs={**at, "learner": person})
