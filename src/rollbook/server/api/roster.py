"""The roster: who is enrolled and who is active, and what is done to them: shown first, then confirmed.

`POST /roster/preview` says what an action would do and gives a digest; `POST /roster/changes` with the same action and
that digest does it. Learners are named by the numbers that the roster gives; rows of a list and rosters name them by
their ids.
"""

from __future__ import annotations

from typing import Annotated, Any, Literal

from django.db import InternalError, OperationalError
from django.http import HttpRequest
from ninja import Query, Router
from pydantic import Field

from rollbook.roster.changes import Row
from rollbook.server.access.principals import customer_for, needs, principal_of
from rollbook.server.api.errors import also
from rollbook.server.api.facts import busy
from rollbook.server.api.fields import Body, Cursor, Id, LearnerId, Limit, Organisation, Text
from rollbook.server.api.roster_out import (
    CourseOut,
    CoursesOut,
    RosterDoneOut,
    RosterLearnerOut,
    RosterOut,
    RosterPreviewOut,
    done_out,
    line_out,
    preview_out,
)
from rollbook.server.clock import now_us
from rollbook.server.live import roster
from rollbook.server.receiving import roster as acting
from rollbook.server.receiving.roster import LEARNERS_MAX, Asked
from rollbook.server.refusals import missing

router = Router(tags=["roster"])

Standing = Literal["", "active", "inactive", "enabled", "none-enabled"]
Digest = Annotated[str, Field(max_length=120, pattern=r"^[0-9a-f-]+$", description="of the preview that is confirmed")]


class EnrolmentIn(Body):
    """An enrolment, as the roster names it."""

    organisation: Organisation = ""
    person: Id
    object: Text


class RosterPersonIn(Body):
    """A learner, as the roster names them."""

    organisation: Organisation = ""
    person: Id


class RosterRowIn(Body):
    """A row of a list: what is done to whom; of an enrolment `object`, or `course` and `unit`, says which."""

    action: Annotated[str, Field(max_length=20)]
    organisation: Organisation = ""
    learner: LearnerId
    object: Text = ""
    course: Text = ""
    unit: Text = ""


class RosterActionIn(Body):
    """One action.

    kind         enrolments: some of them; learners: their "Is active?"; course: everybody of a course offer; rows: a
                 list; clean-up: the once-only clean-up of an organisation
    do           enable or disable for enrolments, activate or deactivate for learners, any of them for a course
    unit         of a course: that unit alone; null is the course with all of its units
    zone         of a clean-up: whose days the dates of enrolments are
    """

    customer: Id | None = None
    kind: Literal["enrolments", "learners", "course", "rows", "clean-up"]
    do: Literal["", "enable", "disable", "activate", "deactivate"] = ""
    enrolments: list[EnrolmentIn] = Field(default_factory=list, max_length=LEARNERS_MAX)
    learners: list[RosterPersonIn] = Field(default_factory=list, max_length=LEARNERS_MAX)
    rows: list[RosterRowIn] = Field(default_factory=list, max_length=LEARNERS_MAX)
    organisation: Organisation = ""
    course: Text = ""
    unit: Text | None = None
    zone: Annotated[str, Field(max_length=64)] = "UTC"


class RosterChangeIn(RosterActionIn):
    """The same action again, and the digest of its preview."""

    digest: Digest


EXAMPLE = {"kind": "course", "do": "disable", "organisation": "north", "course": "Welding"}
"""What stands in the document for whoever tries it."""


def _action(example: dict[str, Any], *statuses: int) -> dict[str, Any]:
    return {"requestBody": {"content": {"application/json": {"example": example}}}, **also(*statuses)}


@router.get(
    "/roster/learners",
    auth=needs("roster:read"),
    response=RosterOut,
    openapi_extra=also(404),
    summary="The roster, page by page",
)
def learners(
    request: HttpRequest,
    customer: Id | None = None,
    search: Annotated[str, Query(max_length=320)] = "",
    course: Text = "",
    organisation: Organisation = "",
    standing: Standing = "",
    after: Cursor = 0,
    limit: Limit = 50,
) -> RosterOut:
    """Learners with their enrolments in the order of their numbers. A filtered page may be short and have a `next`."""
    found = roster.page(
        customer_for(principal_of(request), customer),
        search=_clean(search),
        course=course,
        organisation=organisation,
        standing=standing,
        after=after,
        limit=limit,
        now_us=now_us() + 1,
    )
    return RosterOut(items=[line_out(it) for it in found.lines], next=found.next, narrow=found.narrow)


@router.get(
    "/roster/learners/{number}",
    auth=needs("roster:read"),
    response=RosterLearnerOut,
    summary="One learner of the roster",
)
def learner(request: HttpRequest, number: Id, customer: Id | None = None) -> RosterLearnerOut:
    """One learner with all enrolments, in each organisation of the customer."""
    found = roster.learner(customer_for(principal_of(request), customer), number, now_us() + 1)
    if not found:
        raise missing("learner")
    return RosterLearnerOut(items=[line_out(it) for it in found])


@router.get(
    "/roster/courses",
    auth=needs("roster:read"),
    response=CoursesOut,
    openapi_extra=also(404),
    summary="The course offers of the roster",
)
def courses(request: HttpRequest, customer: Id | None = None, organisation: Organisation = "") -> CoursesOut:
    """Course offers, and how many are enrolled. 422 where there is too much to be read: choose an organisation then."""
    found = roster.courses(customer_for(principal_of(request), customer), now_us() + 1, organisation)
    return CoursesOut(
        items=[
            CourseOut(
                organisation=it.organisation,
                course=it.course,
                enrolments=it.enrolments,
                enabled=it.enabled,
                learners=it.learners,
            )
            for it in found
        ]
    )


@router.post(
    "/roster/preview",
    auth=needs("roster:write"),
    response=RosterPreviewOut,
    openapi_extra=_action(EXAMPLE, 404, 503),
    summary="What an action on the roster would do",
)
def preview(request: HttpRequest, body: RosterActionIn) -> RosterPreviewOut:
    """Whom it is about, and what it does to this period's and the next one's count and money. Nothing is kept."""
    principal = principal_of(request)
    found = acting.foresee(principal, customer_for(principal, body.customer), _asked(body), now_us())
    return preview_out(found)


@router.post(
    "/roster/changes",
    auth=needs("roster:write"),
    response=RosterDoneOut,
    openapi_extra=_action({**EXAMPLE, "digest": f"{0:x}-{'0' * 96}"}, 404, 409, 503),
    summary="Do what a preview showed",
)
def change(request: HttpRequest, body: RosterChangeIn) -> RosterDoneOut:
    """Does it, once, however often it is sent. 409 where it would do something else now than the preview said."""
    principal = principal_of(request)
    try:
        done = acting.confirm(principal, customer_for(principal, body.customer), _asked(body), body.digest, now_us())
    except (OperationalError, InternalError):  # PostgreSQL calls a file that may not grow internal
        raise busy() from None
    return done_out(done)


def _asked(body: RosterActionIn) -> Asked:
    rows = enumerate(body.rows)
    return Asked(
        kind=body.kind,
        do=body.do,
        enrolments=tuple((it.organisation, it.person, it.object) for it in body.enrolments),
        learners=tuple((it.organisation, it.person) for it in body.learners),
        organisation=body.organisation,
        course=body.course,
        unit=body.unit,
        rows=tuple(
            Row(f"body.rows.{n}", it.action, it.organisation, it.learner, it.object, it.course, it.unit)
            for n, it in rows
        ),
        zone=body.zone,
    )


def _clean(text: str) -> str:
    """What is looked for, without what no text in a database has."""
    return text.replace("\0", " ").strip()
