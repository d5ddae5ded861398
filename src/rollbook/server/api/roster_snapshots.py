"""A roster as a platform exports it, sent as a file: what it would change first, then, confirmed, done.

`POST /roster/snapshots/preview` says what it would do and gives a digest; `POST /roster/snapshots` with the same file,
the same parameters and that digest does it. It becomes status facts, as everything that changes a roster.
"""

from __future__ import annotations

from typing import Annotated, Any, Literal
from zoneinfo import ZoneInfo

from django.db import InternalError, OperationalError
from django.http import HttpRequest
from ninja import Field, Query, Router, Schema

from rollbook.model.instants import from_us
from rollbook.model.keys import zone_exists
from rollbook.server.access.principals import customer_for, needs, principal_of
from rollbook.server.api import bodies
from rollbook.server.api.errors import also
from rollbook.server.api.facts import body, busy
from rollbook.server.api.fields import Day, Id, Organisation
from rollbook.server.api.roster import Digest
from rollbook.server.api.roster_out import RosterDoneOut, RosterPreviewOut, done_out, preview_out
from rollbook.server.clock import now_us
from rollbook.server.models import Customer
from rollbook.server.receiving import roster as acting
from rollbook.server.receiving import roster_files
from rollbook.server.refusals import refused

router = Router(tags=["roster"])

CONTENTS = ("text/csv", "application/csv", "application/zip", "application/x-zip-compressed", *bodies.UNDECLARED)


class SnapshotParameters(Schema):
    """Whose roster it is, and how it is to be read.

    day           the day for which it stands, as 2026-03-01; today in `zone` where it is not said
    organisation  whose it is where the file does not say; need not be said where the customer has one
    date_order    for days with the year last; without it, what could be either is refused
    complete      whether whoever is missing has left; where it is not said, a manifest decides, and CSV holds everybody
    keeps_status  enrolments stay enabled or disabled as they are, whatever the file says
    """

    customer: Id | None = None
    organisation: Organisation = ""
    day: Day | None = None
    zone: Annotated[str, Field(max_length=64)] = "UTC"
    date_order: Literal["ymd", "dmy", "mdy"] | None = None
    complete: bool | None = None
    keeps_status: bool = False


_FILE = {"schema": {"type": "string", "format": "binary", "description": "a roster: see docs/server/roster.md"}}
_SENT: dict[str, Any] = body(**dict.fromkeys(("text/csv", "application/zip"), _FILE))


@router.post(
    "/roster/snapshots/preview",
    auth=needs("roster:write"),
    response=RosterPreviewOut,
    openapi_extra={**_SENT, **also(404, 411, 413, 415, 503)},
    summary="What a roster would change",
)
def preview(request: HttpRequest, how: Query[SnapshotParameters]) -> RosterPreviewOut:
    """Who would be new, would leave or change, and what that counts and costs. Nothing is kept."""
    principal = principal_of(request)
    customer = customer_for(principal, how.customer)
    return preview_out(
        acting.foresee(principal, customer, roster_files.asked(*_sent(request, customer, how)), now_us())
    )


@router.post(
    "/roster/snapshots",
    auth=needs("roster:write"),
    response=RosterDoneOut,
    openapi_extra={**_SENT, **also(404, 409, 411, 413, 415, 503)},
    summary="Take in a roster",
)
def take(request: HttpRequest, how: Query[SnapshotParameters], digest: Digest) -> RosterDoneOut:
    """Does what a preview showed, once, however often it is sent. 409 where it would do something else now."""
    principal = principal_of(request)
    customer = customer_for(principal, how.customer)
    content, read_as = _sent(request, customer, how)
    acting.recognise(customer, roster_files.unread(content, read_as), digest, now_us())
    try:
        done = acting.confirm(principal, customer, roster_files.asked(content, read_as), digest, now_us())
    except (OperationalError, InternalError):  # PostgreSQL calls a file that may not grow internal
        raise busy() from None
    return done_out(done)


def _sent(request: HttpRequest, customer: Customer, how: SnapshotParameters) -> tuple[bytes, roster_files.How]:
    """What was sent, and how it is to be read."""
    kind = bodies.media_type(request)
    if kind not in CONTENTS:
        rule, remedy = "rosters are not read from content of this kind", "send text/csv or application/zip"
        raise refused(415, "media-type", "header Content-Type", rule, remedy)
    if not zone_exists(how.zone):
        raise refused(422, "invalid", "zone", "there is no such time zone", "give a name such as Europe/Paris or UTC")
    content = bodies.read(request)
    if not content:
        raise refused(422, "unusable-file", "body", "there is no file, or nothing in it", "send a roster")
    return content, roster_files.How(
        day=how.day or from_us(now_us()).astimezone(ZoneInfo(how.zone)).date(),
        organisation=how.organisation or roster_files.only_organisation(customer),
        date_order=how.date_order,
        complete=how.complete,
        keeps_status=how.keeps_status,
    )
