"""Jobs: the worker's sign of life, what each job did last, how far behind it is, and counting again."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from django.http import HttpRequest, HttpResponse
from django.utils import timezone
from django.utils.translation import gettext, gettext_lazy

from rollbook.model.instants import from_us
from rollbook.server.access.principals import Principal, subscriptions_of
from rollbook.server.models import Done
from rollbook.server.observing import heartbeat, lag
from rollbook.server.operation import recounting
from rollbook.server.pages import shell
from rollbook.server.pages.office import forms as typed
from rollbook.server.pages.office import today
from rollbook.server.pages.registry import page

WORDS: dict[str, Any] = {
    "begin-windows": gettext_lazy("Begins periods whose start has come"),
    "release-held": gettext_lazy("Takes in facts that waited"),
    "expire-held": gettext_lazy("Refuses facts that waited too long for an organisation nobody has"),
    "run-rules": gettext_lazy("Does each day what rules of customers say"),
    "close-due": gettext_lazy("Closes periods whose grace is over"),
    "archive": gettext_lazy("Moves facts of closed periods to the archive, where there is one"),
    "foresee": gettext_lazy("Foresees, once a day, who will go beyond"),
    "compare-counts": gettext_lazy("Compares counts that other systems reported"),
    "order-reports": gettext_lazy("Makes reports that were ordered"),
    "tell-held": gettext_lazy("Tells, once a day, which facts wait"),
    "tell-requests": gettext_lazy("Tells customers what their platform refused, or does not answer"),
    "expire-requests": gettext_lazy("Ends requests that no platform has answered in time"),
    "prune": gettext_lazy("Deletes what nobody needs any more"),
    "deliver": gettext_lazy("Sends messages"),
}
"""What each job is for, in the order in which they run."""

DIFFERENCES_MAX = 100
"""Differences of a recount that are shown."""


@page("jobs", "manage", name="jobs", methods=("GET", "POST"))
def jobs(request: HttpRequest, principal: Principal) -> HttpResponse:
    """/jobs; a POST counts one subscription again beside its live counts, and changes nothing."""
    recounted: dict[str, Any] = {}
    form = typed.Recount(initial={"subscription": typed.cursor(request, "subscription") or None})
    if request.method == "POST":
        form = typed.Recount(request.POST)
        row = (
            subscriptions_of(principal).filter(pk=form.cleaned_data["subscription"]).first()
            if form.is_valid()
            else None
        )
        if row is not None:
            found = recounting.recount(row.pk).differences
            recounted = {"of": row, "differences": found[:DIFFERENCES_MAX], "all": len(found)}
        elif not form.errors:
            words = gettext("No subscription has this number: it stands in the address of its page.")
            form.add_error("subscription", words)
    now = timezone.now()
    done = {it.job: it for it in Done.objects.filter(job__in=[heartbeat.mark(it) for it in WORDS], number=0)}
    seconds = lag.worker_seconds(now)
    shown = {
        "seconds": seconds,
        "alive": seconds is not None and seconds <= heartbeat.ALIVE.total_seconds(),
        "alive_minutes": int(heartbeat.ALIVE.total_seconds() // 60),
        "outbox": lag.outbox(),
        "recount": lag.last_recount(),
        "recount_at": _at(lag.last_recount()),
        "lines": [(name, words, done.get(heartbeat.mark(name))) for name, words in WORDS.items()],
        "recounted": recounted,
        "form": form,
    }
    status = 422 if form.errors else 200
    return shell.show(request, principal, "office/jobs.html", shown, here="jobs", status=status)


@page("jobs/overdue", "manage", name="jobs-overdue")
def overdue(request: HttpRequest, principal: Principal) -> HttpResponse:  # noqa: ARG001
    """For how long the oldest window has been due: as a figure, or for `today` as what needs attention, if it does."""
    if request.GET.get("for") == "today":
        return shell.part(request, "office/matter.html", {"it": today.overdue()})
    return shell.part(request, "office/overdue.html", {"close_seconds": lag.close_seconds(timezone.now())})


def _at(found: lag.Recounted | None) -> datetime | None:
    return from_us(int(found.at * 1_000_000)) if found else None
