"""A vendor's list held against our count: an operator uploads it, and reads who is on one only, and why (W-33).

Nothing of a list is kept. It is read as `rollbook reconcile` reads it; the whole result is a file, asked for with the
other button, for a list cannot be sent twice by a link.
"""

from __future__ import annotations

import re
import tempfile
from dataclasses import replace
from io import StringIO
from pathlib import Path
from typing import Any

import pyarrow as pa
from django.http import HttpRequest, HttpResponse
from django.urls import reverse
from django.utils.translation import gettext, gettext_lazy

from rollbook.accounting.account import Account
from rollbook.advice.reconcile import BOTH, GROUPS, ONLY_OURS, ONLY_THEIRS, REPEATED
from rollbook.errors import Problem, UsageError
from rollbook.intake.vendor_list import VendorList, read_vendor_list
from rollbook.render import outlook
from rollbook.render.data import write_csv
from rollbook.server import clock
from rollbook.server.access.principals import Principal, subscription_for
from rollbook.server.live import listed
from rollbook.server.live.snapshots import FOLDER
from rollbook.server.live.usage import counted
from rollbook.server.pages import reading, shell
from rollbook.server.pages.office import forms as typed
from rollbook.server.pages.registry import page

NEEDS, NAMES = "manage", "learners:read"

SHOWN_MAX = 100
"""Of a group; the file has all."""

PROBLEMS_MAX = 20
"""Rows that could not be read and are told."""

HEADINGS = {
    ONLY_THEIRS: (gettext_lazy("On their list only"), gettext_lazy("They count them, and we do not")),
    ONLY_OURS: (gettext_lazy("Ours only"), gettext_lazy("We count them, and their list does not have them")),
    REPEATED: (gettext_lazy("Twice on their list"), gettext_lazy("Another row says the same")),
}
"""Of the groups that differ."""


@page("subscriptions/<int:number>/reconcile", NEEDS, name="reconcile", methods=("GET", "POST"))
def reconcile(request: HttpRequest, principal: Principal, number: int) -> HttpResponse:
    """/subscriptions/{number}/reconcile."""
    row = subscription_for(principal, number)
    principal.require(NAMES)
    found = counted(row, clock.now_us())
    choices = _windows(found)
    shown: dict[str, Any] = {"begun": bool(choices), "rows_max": listed.ROWS_MAX}
    if request.method == "POST" and choices:
        form = typed.VendorList(request.POST, request.FILES, windows=choices)
        read: list[VendorList] = []

        def work(said: dict[str, Any]) -> listed.Reconciled:
            try:
                read.append(_read(said["list"], said["column"]))
                return listed.reconciled(row, read[0], int(said["window"]), clock.now_us())
            except UsageError as error:
                raise UsageError(map(_told, error.problems)) from None

        result = typed.done(form, work)
        if result and "file" in request.POST:
            return _file(result)
        shown |= _result(result, read[0]) if result else {}
    else:
        form = typed.VendorList(windows=choices, initial={"window": _usual(found)})
    crumbs = [
        *shell.of_customer(row),
        (gettext("What is agreed"), reverse("subscription", kwargs={"number": number})),
    ]
    shown["form"] = form
    status = 422 if form.errors else 200
    template = "office/reconcile.html"
    return shell.show(request, principal, template, shown, row=row, here="subscriptions", crumbs=crumbs, status=status)


def _windows(found: Account) -> list[tuple[str, str]]:
    begun = [it for it in found.windows if it.start_us < found.as_of_us]
    zone = found.subscription.zone
    return [(str(it.number), reading.days(it.start_us, it.end_us, zone)) for it in reversed(begun)]


def _usual(found: Account) -> str:
    """The last window that is over: lists come afterwards."""
    over = [it.number for it in found.windows if it.end_us <= found.as_of_us]
    return str(max(over, default=1))


def _read(file: Any, column: str) -> VendorList:
    """The list of a file that was uploaded. Raises UsageError where it is none."""
    with tempfile.TemporaryDirectory(prefix=FOLDER) as folder:
        path = Path(folder) / "list.csv"
        with path.open("wb") as out:
            out.writelines(file.chunks())
        return read_vendor_list(path, column)


def _told(problem: Problem) -> Problem:
    """A problem for somebody who has a form before them, and no command line: with the line of the list in its rule."""
    line = re.search(r":(\d+)$", problem.place)
    rule = gettext("line %(line)s: %(rule)s") % {"line": line[1], "rule": problem.rule} if line else problem.rule
    remedy = problem.remedy.replace("name it with --vendor-column", gettext("name it below"))
    return replace(problem, rule=rule, remedy=remedy.replace(" and say --window", ""))


def _result(found: listed.Reconciled, read: VendorList) -> dict[str, Any]:
    counts = outlook.counts(found.lines)
    groups = [(name, [it for it in found.lines if it.group == name]) for name in HEADINGS]
    return {
        "found": found,
        "worth": outlook.moved_words(found.moved).replace(": --rates FILE", ""),
        "counts": [(name, counts[name]) for name in GROUPS],
        "both": counts[BOTH],
        "same": all(not lines for _, lines in groups),
        "groups": [
            {
                "name": name.replace(" ", "-"),
                "title": HEADINGS[name][0],
                "said": HEADINGS[name][1],
                "lines": lines[:SHOWN_MAX],
                "count": len(lines),
                "more": max(len(lines) - SHOWN_MAX, 0),
                "theirs": name != ONLY_OURS,
            }
            for name, lines in groups
            if lines
        ],
        "columns": read.columns,
        "blank": read.blank,
        "unread": read.problems.total,
        "problems": [(it.place.rpartition(":")[2], it.rule, it.remedy) for it in list(read.problems)[:PROBLEMS_MAX]],
    }


def _file(found: listed.Reconciled) -> HttpResponse:
    """Every row of theirs and every unit of ours; no text of a list is taken for a formula."""
    rows = outlook.reconciled_rows(found.window.number, found.lines)
    columns = {
        name: [None if (value := row[name]) is None else str(value) for row in rows] for name in outlook.RECONCILED
    }
    table = pa.table({name: pa.array(values, pa.string()) for name, values in columns.items()})
    out = StringIO()
    write_csv(table, out, for_spreadsheets=True)
    answer = HttpResponse(out.getvalue(), content_type="text/csv; charset=utf-8")
    answer["Content-Disposition"] = f'attachment; filename="reconciled-window-{found.window.number}.csv"'
    return answer
