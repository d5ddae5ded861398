"""How many of each group were active in one window, and in words why groups may add up to more than the total."""

from __future__ import annotations

from typing import Any

from django.http import HttpRequest
from ninja import Router, Schema

from rollbook.metering.calendar import windows
from rollbook.model.groups import written
from rollbook.model.instants import iso
from rollbook.reports.groups import INSTANT
from rollbook.reports.usage import percent
from rollbook.server.access.principals import needs, principal_of, subscription_for
from rollbook.server.api.errors import also
from rollbook.server.api.fields import Id
from rollbook.server.api.usage import Window, window_asked
from rollbook.server.clock import now_us
from rollbook.server.live import contracts, groups

router = Router(tags=["usage"])


class GroupOut(Schema):
    """One group: its names from the outside in, how many of them, and its units with those of all groups within it."""

    organisation: str
    group: str
    level: int
    active: int
    share: float | None


class GroupsOut(Schema):
    """The groups of one window, each before those within it, at most 2,000.

    total      units that were active, each counted once
    none       of these, in no group
    subtotals  what the outermost groups and those in none add up to
    notes      in words: why that may exceed the total, by whom it does, and at which instant groups count
    """

    window: int
    start: str
    end: str
    total: int
    none: int
    subtotals: int
    groups: list[GroupOut]
    notes: list[str]


@router.get(
    "/subscriptions/{number}/groups", auth=needs("usage:read"), response=GroupsOut, openapi_extra=also(422, 503)
)
def read_groups(request: HttpRequest, number: Id, window: Window | None = None) -> dict[str, Any]:
    """How many of each group were active in a window, without learners; groups come from facts and rosters."""
    row = subscription_for(principal_of(request), number)
    asked = window_asked(row, window)
    agreed = contracts.subscription_of(row)
    found = groups.of_window(row, next(it for it in windows(agreed) if it.number == asked), now_us())
    return {
        "window": asked,
        "start": iso(found.window.start_us),
        "end": iso(found.window.end_us),
        "total": found.total,
        "none": found.none,
        "subtotals": found.subtotals,
        "groups": [
            {
                "organisation": organisation,
                "group": written(group),
                "level": len(group),
                "active": units,
                "share": percent(units, found.total),
            }
            for (organisation, group), units in found.groups.items()
        ],
        "notes": [*found.sentences(agreed.plan.meter.unit), INSTANT],
    }
