"""What a platform is asked to do to its roster, and its answers.

The webhook `roster.requested` says that there is something; `GET /roster/requests` says what, with the learners, and
`POST /roster/requests/answers` takes whether it was done.
"""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Any, Literal

from django.db import InternalError, OperationalError
from django.http import HttpRequest
from ninja import Router, Schema
from pydantic import Field

from rollbook.model.instants import iso
from rollbook.server.access.principals import customer_for, needs, principal_of
from rollbook.server.api.errors import also
from rollbook.server.api.facts import busy
from rollbook.server.api.fields import Body, Cursor, Id, Limit
from rollbook.server.api.roster_out import RosterProblemOut, problems_out
from rollbook.server.clock import now_us
from rollbook.server.live import roster_requests
from rollbook.server.receiving import roster_requests as asking
from rollbook.server.receiving.roster_requests import ANSWERS_MAX, Answer

router = Router(tags=["roster"])


class RosterRequestOut(Schema):
    """One change of a status that is asked of the platform.

    request  its number
    learner  the id as facts carry it; empty where they were erased
    object   of an enrolment, as facts name it
    what     the type of the change, such as enrolment.disabled
    at       from when on it counts
    state    requested; done; refused; expired where no answer came in time, and none is taken any more
    why      of a refused one
    """

    request: int
    organisation: str
    person: int
    learner: str
    erased: bool
    object: str
    what: str
    at: str
    asked_at: datetime
    state: str
    why: str
    answered_at: datetime | None


class RosterRequestsOut(Schema):
    """A page of requests in the order of their numbers; `next` is what `after` asks for, null at the end."""

    items: list[RosterRequestOut]
    next: int | None


class RosterAnswerIn(Body):
    """An answer: `done`, or `refused` with why, in one line that administrators read."""

    request: Id
    state: Literal["done", "refused"]
    why: str = ""


class RosterAnswersIn(Body):
    """Some answers, each for itself."""

    answers: Annotated[list[RosterAnswerIn], Field(min_length=1, max_length=ANSWERS_MAX)]


class RosterAnsweredOut(Schema):
    """What became of them; `repeats` were said before, `problems` were not taken, and all others were."""

    done: int
    refused: int
    repeats: int
    problems: list[RosterProblemOut]


_EXAMPLE: dict[str, Any] = {
    "answers": [
        {"request": 17, "state": "done"},
        {"request": 18, "state": "refused", "why": "the course is archived"},
    ]
}


@router.get(
    "/roster/requests",
    auth=needs("roster:read"),
    response=RosterRequestsOut,
    openapi_extra=also(404),
    summary="What the platform is asked to do",
)
def requests(
    request: HttpRequest,
    customer: Id | None = None,
    state: Literal["", "requested", "done", "refused", "expired"] = "",
    after: Cursor = 0,
    limit: Limit = 100,
) -> RosterRequestsOut:
    """Changes that were decided here, in the order in which they were asked for; with the ids of learners."""
    owner = customer_for(principal_of(request), customer)
    found, following = roster_requests.page(owner, state, after=after, limit=limit)
    return RosterRequestsOut(items=[_out(it) for it in found], next=following)


@router.post(
    "/roster/requests/answers",
    auth=needs("roster:write"),
    response=RosterAnsweredOut,
    openapi_extra={"requestBody": {"content": {"application/json": {"example": _EXAMPLE}}}, **also(409, 503)},
    summary="Say what became of requests",
)
def answers(request: HttpRequest, body: RosterAnswersIn) -> RosterAnsweredOut:
    """Takes answers, each once. What was refused is taken back, as if it had never been decided."""
    said = [Answer(it.request, it.state, it.why) for it in body.answers]
    try:
        found = asking.answer(principal_of(request), said, now_us())
    except (OperationalError, InternalError):  # PostgreSQL calls a file that may not grow internal
        raise busy() from None
    return RosterAnsweredOut(
        done=found.done, refused=found.refused, repeats=found.repeats, problems=problems_out(found.problems)
    )


def _out(it: roster_requests.Requested) -> RosterRequestOut:
    row = it.row
    return RosterRequestOut(
        request=row.pk,
        organisation=row.organisation,
        person=row.person_id,
        learner=it.learner,
        erased=it.is_erased,
        object=row.object,
        what=row.what,
        at=iso(row.at_us),
        asked_at=row.asked_at,
        state=row.state,
        why=row.why,
        answered_at=row.answered_at,
    )
