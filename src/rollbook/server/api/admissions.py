"""May somebody start, and what would facts add: questions that change nothing but a place that is kept."""

from __future__ import annotations

from typing import Annotated, Any

from django.http import HttpRequest
from ninja import Router, Schema
from pydantic import Field

from rollbook.model.fact import MODES, ROLES
from rollbook.server.access.principals import Principal, customer_for, needs, principal_of, subscriptions_of
from rollbook.server.api.errors import also
from rollbook.server.api.facts import RejectedOut
from rollbook.server.api.fields import Body, LearnerId, Line, OptionalLine
from rollbook.server.clock import now_us
from rollbook.server.models import Organisation
from rollbook.server.receiving.admissions import Asked, admit
from rollbook.server.receiving.ingest import Sender, read_rows
from rollbook.server.receiving.preview import preview
from rollbook.server.refusals import missing, refused

router = Router(tags=["admissions"])

FACTS_MAX = 1000
"""Facts of one preview."""


class AdmissionIn(Body):
    """Who wants to start what. Without a type, the first that the plan counts is taken."""

    organisation: Line
    learner: LearnerId
    type: OptionalLine = ""
    role: str = "learner"
    mode: str = ""
    object: OptionalLine = ""
    reserve: bool = True


class VerdictOut(Schema):
    """What one subscription says: whether they count already, would count, and what is left for them."""

    subscription: int
    window: int
    end: str
    allowed: bool
    counted: bool
    would_count: bool
    remaining: int
    reason: str


class AdmissionOut(Schema):
    """Whether every subscription allows it."""

    allowed: bool
    subscriptions: list[VerdictOut]


class PreviewIn(Body):
    """Facts as they would be sent."""

    facts: Annotated[list[dict[str, Any]], Field(max_length=FACTS_MAX)]


class ChangeOut(Schema):
    """One window of a pool that would change: each pair is what is, and what would be."""

    subscription: int
    window: int
    start: str
    end: str
    pool: str
    active: list[int]
    overage: list[int]
    available: list[int]
    total: list[str | None]
    currency: str


class PreviewOut(Schema):
    """The receipt that the facts would have, and what they would change."""

    received: int
    new: int
    repeats: int
    held: int
    rejected: list[RejectedOut]
    changes: list[ChangeOut]


@router.post("/admissions", auth=needs("admissions:write"), response=AdmissionOut, openapi_extra=also(404))
def ask_admission(request: HttpRequest, body: AdmissionIn) -> dict[str, Any]:
    """May this learner start now? A place is kept for an hour where the answer is yes, unless `reserve` is false."""
    for name, text, known in (("role", body.role, ROLES), ("mode", body.mode, ("", *MODES))):
        if text not in known:
            remedy = "use one of " + ", ".join(it for it in known if it)
            raise refused(422, "invalid", f"body.{name}", f"it is none of the {name}s", remedy)
    principal = principal_of(request)
    organisation = Organisation.objects.filter(name=body.organisation).first()
    if organisation is None or principal.customer not in (None, organisation.customer_id):
        raise missing("organisation")
    found = admit(Asked(**body.dict()), customer_for(principal, organisation.customer_id), now_us())
    return found | {"subscriptions": _shown(principal, found["subscriptions"])}


@router.post("/preview", auth=needs("usage:read"), response=PreviewOut, openapi_extra=also(503))
def ask_preview(request: HttpRequest, body: PreviewIn) -> dict[str, Any]:
    """What would these facts add? Nothing is kept."""
    principal = principal_of(request)
    found = preview(read_rows(body.facts), Sender(principal.name, principal.customer), now_us())
    return found | {"changes": _shown(principal, found["changes"])}


def _shown(principal: Principal, items: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Those about subscriptions that whoever asks may see; pilots and shadows take part, and are the vendor's."""
    known = {it["subscription"] for it in items}
    shown = set(subscriptions_of(principal).filter(pk__in=known).values_list("pk", flat=True))
    return [it for it in items if it["subscription"] in shown]
