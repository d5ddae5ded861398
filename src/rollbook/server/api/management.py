"""Who pays: customers with their organisations; and the audit of whatever was done."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Any

from django.db import IntegrityError, transaction
from django.http import HttpRequest
from ninja import Router, Schema, Status
from pydantic import Field

from rollbook.server.access import audit
from rollbook.server.access.principals import customer_for, customers_of, needs, principal_of
from rollbook.server.api.errors import also
from rollbook.server.api.fields import Body, Cursor, Id, Limit, Line
from rollbook.server.api.paging import page
from rollbook.server.live import metering
from rollbook.server.models import Audit, Customer, Organisation
from rollbook.server.models.lengths import NAME
from rollbook.server.refusals import refused

router = Router(tags=["management"])

ORGANISATIONS_MAX = 2000
"""Of one customer: each is a pool, and all of them are read whenever its facts are counted."""


class CustomerIn(Body):
    """Who pays."""

    name: Line


class OrganisationIn(Body):
    """An organisation whose facts belong to a customer from now on, and for ever."""

    name: Line


class CustomerOut(Schema):
    """Who pays, with whose facts are theirs."""

    id: int
    name: str
    organisations: list[str]


class CustomersOut(Schema):
    """A page of customers."""

    items: list[CustomerOut]
    next: int | None


class AuditOut(Schema):
    """Who did what, when."""

    id: int
    at: datetime
    actor: str
    action: str
    object: str
    customer: int | None
    details: dict[str, Any]


class AuditsOut(Schema):
    """A page of the audit, the newest first."""

    items: list[AuditOut]
    next: int | None


def _said(row: Customer) -> CustomerOut:
    names = sorted((it.name for it in row.organisations.all()), key=str.encode)
    return CustomerOut(id=row.pk, name=row.name, organisations=names)


@router.get("/customers", auth=needs("usage:read", "manage"), response=CustomersOut, summary="List customers")
def list_customers(request: HttpRequest, after: Cursor = 0, limit: Limit = 100) -> CustomersOut:
    """Those that whoever asks may see: all for the vendor, and itself for a customer."""
    rows = customers_of(principal_of(request)).prefetch_related("organisations")
    found, following = page(rows, after, limit)
    return CustomersOut(items=[_said(it) for it in found], next=following)


@router.post("/customers", auth=needs("manage"), response={201: CustomerOut}, openapi_extra=also(409))
def add_customer(request: HttpRequest, body: CustomerIn) -> Status[CustomerOut]:
    """Adds a customer."""
    with transaction.atomic():
        try:
            with transaction.atomic():
                row = Customer.objects.create(name=body.name)
        except IntegrityError:
            raise refused(409, "exists", "name", "there is such a customer already", "choose another name") from None
        audit.record(principal_of(request), "customer.added", f"customer {row.pk}", row.pk, name=row.name)
    return Status(201, _said(row))


@router.get("/customers/{number}", auth=needs("usage:read", "manage"), response=CustomerOut, summary="Read a customer")
def read_customer(request: HttpRequest, number: Id) -> CustomerOut:
    """One customer."""
    return _said(customer_for(principal_of(request), number))


@router.post(
    "/customers/{number}/organisations", auth=needs("manage"), response={201: CustomerOut}, openapi_extra=also(409)
)
def add_organisation(request: HttpRequest, number: Id, body: OrganisationIn) -> Status[CustomerOut]:
    """Adds an organisation. Facts that named it before and were held are released by the next run of the jobs."""
    row = customer_for(principal_of(request), number)
    if len(body.name.encode()) > NAME:
        raise refused(422, "too-long", "name", f"it has more than {NAME} bytes", "shorten it")
    with transaction.atomic():
        metering.locked([row.pk])
        if row.organisations.count() >= ORGANISATIONS_MAX:
            raise refused(409, "too-many", "customer", f"it has {ORGANISATIONS_MAX} organisations", "use another one")
        try:
            with transaction.atomic():
                Organisation.objects.create(name=body.name, customer=row)
        except IntegrityError:
            rule, remedy = "there is an organisation of this name already", "choose the name that its facts carry"
            raise refused(409, "exists", "name", rule, remedy) from None
        audit.record(principal_of(request), "organisation.added", f"customer {row.pk}", row.pk, organisation=body.name)
    return Status(201, _said(customer_for(principal_of(request), number)))


@router.get("/audit", auth=needs("manage"), response=AuditsOut, summary="Read the audit")
def list_audit(
    request: HttpRequest,  # noqa: ARG001 - the shape of a view
    customer: Annotated[Id | None, Field(description="only what is about this customer")] = None,
    after: Cursor = 0,
    limit: Limit = 100,
) -> AuditsOut:
    """What was done, the newest first. It names no learner."""
    rows = Audit.objects.all() if customer is None else Audit.objects.filter(customer=customer)
    found, following = page(rows, after, limit, newest_first=True)
    items = [
        AuditOut(
            id=it.pk,
            at=it.at,
            actor=it.actor,
            action=it.action,
            object=it.object,
            customer=it.customer_id,
            details=it.details,
        )
        for it in found
    ]
    return AuditsOut(items=items, next=following)
