"""How many of each group were active in a period, nested groups included, and why they may add up to more than all.

The figures come after the page, because all that places people is read for them, see `live.groups`. There are no
learners in them: whoever sees usage sees them.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from django.http import HttpRequest, HttpResponse
from django.utils.translation import gettext, ngettext

from rollbook.errors import UsageError
from rollbook.model.groups import written
from rollbook.model.window import Window
from rollbook.reports.groups import Figures
from rollbook.reports.usage import percent
from rollbook.server import clock
from rollbook.server.access.principals import Principal, subscription_for
from rollbook.server.live import groups as live
from rollbook.server.live.usage import counted
from rollbook.server.models import Subscription
from rollbook.server.pages import reading, sentences, shell
from rollbook.server.pages.learners import NEEDS as LEARNERS
from rollbook.server.pages.learners import window_of, windows_of
from rollbook.server.pages.registry import page
from rollbook.server.refusals import RefusedError, missing

NEEDS = "usage:read"


@dataclass(frozen=True, slots=True)
class Line:
    """A group: those it lies in, its own name, and how many of it were active."""

    organisation: str
    above: str
    name: str
    active: int
    share: str


@page("subscriptions/<int:number>/groups", NEEDS, name="groups")
def groups(request: HttpRequest, principal: Principal, number: int) -> HttpResponse:
    """/subscriptions/{number}/groups. Without a script the figures come once they are asked for."""
    row = subscription_for(principal, number)
    found = counted(row, clock.now_us())
    window = window_of(request, found)
    shown: dict[str, Any] = {"window": window, "tab": "groups", "who": principal.may(LEARNERS)}
    if window is not None:
        shown |= {"choices": [windows_of(found, window)]}
        if "list" in request.GET:
            shown |= {"listed": True} | _figures(row, window)
    return shell.show(
        request, principal, "learners/by_group.html", shown, row=row, here="learners", crumbs=shell.of_customer(row)
    )


@page("subscriptions/<int:number>/groups/list", NEEDS, name="groups-list")
def groups_list(request: HttpRequest, principal: Principal, number: int) -> HttpResponse:
    """Its figures."""
    row = subscription_for(principal, number)
    window = window_of(request, counted(row, clock.now_us()))
    if window is None:
        raise missing("window")
    return shell.part(request, "learners/by_group_list.html", {"row": row, **_figures(row, window)})


def _figures(row: Subscription, window: Window) -> dict[str, Any]:
    try:
        found = live.of_window(row, window, clock.now_us())
    except (RefusedError, UsageError) as error:
        return {"window": window, "wrong": [sentences.both(it) for it in error.problems]}
    lines = [
        Line(organisation, f"{written(group[:-1])} /" if group[:-1] else "", group[-1], units, _share(units, found))
        for (organisation, group), units in found.groups.items()
    ]
    return {
        "window": window,
        "lines": lines,
        "none": found.none,
        "none_share": _share(found.none, found),
        "total": found.total,
        "several": len({it.organisation for it in lines}) > 1,
        "words": list(_words(found)),
    }


def _share(units: int, found: Figures) -> str:
    share = percent(units, found.total)
    return "" if share is None else reading.percent(share)


def _words(found: Figures) -> Iterator[str]:
    """Why subtotals may exceed the total, with the figures; and which groups somebody counts in."""
    said = {"total": reading.number(found.total), "subtotals": reading.number(found.subtotals)}
    if found.groups and found.total:
        if several := sum(found.several.values()):
            yield ngettext(
                "The groups add up to %(subtotals)s and the total is %(total)s: %(n)s is in more than one of them and "
                "counts in each. Nobody counts twice in the total.",
                "The groups add up to %(subtotals)s and the total is %(total)s: %(n)s are in more than one of them and "
                "count in each. Nobody counts twice in the total.",
                several,
            ) % {**said, "n": reading.number(several)}
        else:
            yield gettext("The groups add up to the total, %(total)s: nobody is in two of them.") % said
        if found.nested:
            yield ngettext(
                "Groups within a group may add up to more than it, too: %(n)s is in several of them.",
                "Groups within a group may add up to more than it, too: %(n)s are in several of them.",
                found.nested,
            ) % {"n": reading.number(found.nested)}
        yield gettext(
            "Everybody counts in the groups in which they were when they first counted in the period; moving later in "
            "it changes nothing."
        )
