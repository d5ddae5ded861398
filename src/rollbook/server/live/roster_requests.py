"""What a customer's platform was asked to do to its roster, as pages and programs see it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from django.db.models import QuerySet

from rollbook.server.models import Customer, RosterRequest

STATES = (RosterRequest.REQUESTED, RosterRequest.DONE, RosterRequest.REFUSED, RosterRequest.EXPIRED)

COUNT_MAX = 100_000
"""Requests of one state that are counted; there may be more."""

OF_PERSON_MAX = 1_000
"""Requests about one person that are looked at: the latest."""


@dataclass(frozen=True, slots=True)
class Requested:
    """A request with whom it is about.

    learner  the id as facts carry it; '' where they were erased
    name     '' where none was ever said
    """

    row: RosterRequest
    learner: str
    name: str
    is_erased: bool


def page(
    customer: Customer, state: str = "", *, after: int = 0, limit: int = 50, newest_first: bool = False
) -> tuple[list[Requested], int | None]:
    """Some requests of a customer in the order of their numbers, and the `after` of the page behind; None at the end.

    state  one of `STATES`, or '' for all
    """
    rows = RosterRequest.objects.filter(customer=customer).select_related("person")
    if state:
        rows = rows.filter(state=state)
    if after:
        rows = rows.filter(pk__lt=after) if newest_first else rows.filter(pk__gt=after)
    found = list(rows.order_by("-pk" if newest_first else "pk")[: limit + 1])
    return _requested(found[:limit]), found[limit - 1].pk if len(found) > limit else None


def counts(customer: Customer) -> dict[str, int]:
    """How many there are in each state, `COUNT_MAX` at most."""
    return {state: of_state(customer, state)[:COUNT_MAX].count() for state in STATES}


def of_state(customer: Customer, state: str) -> QuerySet[RosterRequest]:
    """The requests of a customer in one state, in no order."""
    return RosterRequest.objects.filter(customer=customer, state=state)


def latest(customer: Customer, person: int) -> dict[tuple[str, str, str], RosterRequest]:
    """Of each enrolment of a person, and of the account, what was asked for last.

    Found by organisation, `enrolment` or `account`, and object.
    """
    rows = RosterRequest.objects.filter(customer=customer, person_id=person).order_by("-pk")[:OF_PERSON_MAX]
    return {(it.organisation, it.what.partition(".")[0], it.object): it for it in reversed(rows)}


def _requested(rows: Sequence[RosterRequest]) -> list[Requested]:
    return [Requested(it, it.person.learner, it.person.name, it.person.erased_at is not None) for it in rows]
