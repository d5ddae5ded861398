"""People behind the ids: their names, and forgetting them."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated

from django.http import HttpRequest
from ninja import Router, Schema
from pydantic import AfterValidator, Field

from rollbook.server import erasure
from rollbook.server.access.principals import customer_for, needs, principal_of
from rollbook.server.api.errors import also
from rollbook.server.api.fields import Body, Id, LearnerId, one_line
from rollbook.server.models.lengths import LEARNER
from rollbook.server.refusals import refused

router = Router(tags=["people"])


class ErasureIn(Body):
    """Who is to be forgotten: the id as facts carry it, and whose learner it is.

    discard_waiting  whether facts that name the id, and wait for an organisation that nobody has, are deleted: they
                     could be about somebody of another customer who has the same id
    """

    customer: Id | None = None
    learner: LearnerId
    discard_waiting: bool = False


class ErasureOut(Schema):
    """What was done.

    known           whether anything was ever said of this id
    erased_at       since when id, name and address are gone
    erased_before   whether they were gone already
    stays           what stays, and why
    waiting         facts that name the id, wait for an organisation that nobody has, and were not discarded
    elsewhere       facts whose object, session or own id contains the id: counts rest on them, and they stay
    """

    known: bool
    erased_at: datetime | None
    erased_before: bool
    stays: str
    waiting: int
    elsewhere: int


class PersonIn(Body):
    """A name and an address for an id; an empty one takes it away."""

    learner: LearnerId
    name: Annotated[str, Field(max_length=300), AfterValidator(one_line)] = ""
    email: Annotated[str, Field(max_length=320), AfterValidator(one_line)] = ""


class PeopleIn(Body):
    """Names of people of one customer."""

    customer: Id | None = None
    people: Annotated[list[PersonIn], Field(min_length=1, max_length=erasure.PEOPLE_MAX)]


class PeopleOut(Schema):
    """How many have what was sent; and how many were erased before, and stay without a name."""

    named: int
    erased_before: int


@router.post("/people/erase", auth=needs("manage"), response=ErasureOut, openapi_extra=also(404), summary="Forget")
def erase(request: HttpRequest, body: ErasureIn) -> ErasureOut:
    """Forgets a person, for ever. Nothing that was counted changes."""
    principal = principal_of(request)
    _bounded(body.learner)
    customer = customer_for(principal, body.customer)
    done = erasure.erase(principal, customer, body.learner, discard_waiting=body.discard_waiting)
    stays = "their facts and counts, under a number that names nobody, and a keyed digest that recognises the id"
    return ErasureOut(
        known=done.surrogate is not None,
        erased_at=done.erased_at,
        erased_before=done.before,
        stays=stays if done.surrogate is not None else "nothing: nothing was ever said of this id",
        waiting=done.waiting,
        elsewhere=done.elsewhere,
    )


@router.put("/people", auth=needs("facts:write"), response=PeopleOut, openapi_extra=also(404), summary="Name people")
def name_people(request: HttpRequest, body: PeopleIn) -> PeopleOut:
    """Writes names and addresses by id; of an id that comes twice, the last one holds."""
    principal = principal_of(request)
    for it in body.people:
        _bounded(it.learner)
    said = {it.learner: (it.name, it.email) for it in body.people}
    done = erasure.name(principal, customer_for(principal, body.customer), said)
    return PeopleOut(named=done.named, erased_before=done.erased_before)


def _bounded(learner: str) -> None:
    if len(learner.encode()) > LEARNER:
        raise refused(422, "too-long", "learner", f"it has more than {LEARNER} bytes", "give the id that facts carry")
