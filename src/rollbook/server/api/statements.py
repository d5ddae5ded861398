"""Closed statements, what they rest on, and what people decide about them."""

from __future__ import annotations

from datetime import datetime
from io import StringIO
from typing import Annotated, Any, Literal

from django.http import FileResponse, HttpRequest, HttpResponse
from ninja import Query, Router, Schema
from pydantic import Field

from rollbook.render.data import write_csv, write_json
from rollbook.server.access.principals import DISPUTE, Principal, needs, principal_of, subscription_for
from rollbook.server.api.errors import also
from rollbook.server.api.fields import Body, Id, LearnerId, Reason
from rollbook.server.billing import approvals, statements
from rollbook.server.clock import now_us
from rollbook.server.live import people
from rollbook.server.models import Closing, Statement, Subscription
from rollbook.server.refusals import missing

router = Router(tags=["statements"])

STATEMENTS_MAX = 1000
"""More than windows of a term and notes after it."""

Number = Annotated[int, Field(ge=1, le=100_000, description="of a statement, from 1 without gaps")]
Locale = Annotated[str, Query(min_length=2, max_length=20, pattern="^[A-Za-z_-]+$", description="en, de, pt_BR")]


class StatementOut(Schema):
    """A statement in short. `window`, `start` and `end` are null for a note after the term.

    digest    of the record, by which the statement is known
    adjusts   windows closed before that it corrects
    total     a decimal number as text; null where a price is not known
    disputed  why, while it is disputed; `disputed_by` whose side, customer or vendor, and since when
    """

    number: int
    window: int | None
    start: str | None
    end: str | None
    digest: str
    adjusts: list[int]
    total: str | None
    currency: str
    closed_at: datetime
    closed_by: str
    disputed: str
    disputed_by: str
    disputed_at: datetime | None


class ComingOut(Schema):
    """A statement that is to come: whether it waits for an approval, and why it was not closed, else empty."""

    number: int
    window: int | None
    asked_at: datetime | None
    approved_at: datetime | None
    approved_by: str
    withheld: str


class StatementsOut(Schema):
    """The statements of a subscription, the first one first.

    coming       those that wait, for the vendor alone
    on_hold      whether nothing is closed now
    hold_reason  why, for the vendor alone
    """

    statements: list[StatementOut]
    coming: list[ComingOut]
    on_hold: bool
    hold_reason: str


class RecordOut(StatementOut):
    """A statement with its record, from which the digest is: canonical JSON, see the documentation of proof."""

    record: dict[str, Any]


class ReasonIn(Body):
    """Why, for whoever looks at it later."""

    reason: Reason


class DisputeIn(ReasonIn):
    """`hold`: close nothing more of the subscription until it is released; for those with `statements:close`."""

    hold: bool = False


class HeldOut(Schema):
    """Whether nothing is closed, and why."""

    on_hold: bool
    hold_reason: str


@router.get("/subscriptions/{number}/statements", auth=needs("statements:read"), response=StatementsOut)
def listed(request: HttpRequest, number: Id) -> StatementsOut:
    """All statements, and those that wait."""
    principal, row = _whose(request, number)
    rows = list(row.statements.order_by("number")[:STATEMENTS_MAX])
    waiting = approvals.waiting(row, len(rows)) if principal.vendor else ()
    return StatementsOut(
        statements=[_short(it) for it in rows],
        coming=[_coming(it) for it in waiting],
        on_hold=bool(row.close_on_hold),
        hold_reason=row.close_on_hold if principal.vendor else "",
    )


@router.get("/subscriptions/{number}/statements/{statement}", auth=needs("statements:read"), response=RecordOut)
def record(request: HttpRequest, number: Id, statement: Number) -> RecordOut:
    """One statement with its record."""
    found = statements.find(_whose(request, number)[1], statement)
    return RecordOut(**_short(found).dict(), record=found.record)


@router.get(
    "/subscriptions/{number}/statements/{statement}/pdf",
    auth=needs("statements:read"),
    openapi_extra={"responses": {200: {"description": "PDF", "content": {"application/pdf": {}}}}},
)
def pdf(request: HttpRequest, number: Id, statement: Number, locale: Locale = "en") -> HttpResponse:
    """One statement on paper: the same bytes every time."""
    content = statements.pdf(_whose(request, number)[1], statement, locale)
    return _attached(content, "application/pdf", f"statement-{number}-{statement:04}.pdf")


@router.get(
    "/subscriptions/{number}/charges",
    auth=needs("statements:read"),
    openapi_extra={"responses": {200: {"description": "CSV or JSON", "content": {"text/csv": {}}}}},
)
def charges(
    request: HttpRequest,
    number: Id,
    statement: Annotated[int, Query(ge=0, le=100_000, description="of one statement; 0 for all")] = 0,
    format: Annotated[Literal["csv", "json"], Query()] = "csv",  # noqa: A002 - the parameter's name
) -> HttpResponse:
    """Every charge and adjustment as a row with a key of its own: to import one twice is to import it once."""
    found = statements.charges(_whose(request, number)[1], statement or None)
    out = StringIO(newline="")
    if format == "json":
        write_json(found, {"subscription": number}, out)
        return HttpResponse(out.getvalue(), content_type="application/json")
    write_csv(found, out, for_spreadsheets=True)
    return _attached(out.getvalue().encode(), "text/csv; charset=utf-8", f"charges-{number}.csv")


@router.get(
    "/subscriptions/{number}/statements/{statement}/bundle.zip",
    auth=needs("statements:read"),
    openapi_extra=also(409, 503)
    | {"responses": {200: {"description": "what `rollbook verify` reads", "content": {"application/zip": {}}}}},
)
def bundle(request: HttpRequest, number: Id, statement: Number) -> FileResponse:
    """Everything a statement rests on, to be recounted by anybody. It needs learners:read too: all are in it."""
    principal, row = _whose(request, number)
    principal.require("learners:read")
    with statements.bundle(row, statement) as path:
        file = path.open("rb")
    name = f"statement-{number}-{statement:04}.zip"
    return FileResponse(file, as_attachment=True, filename=name, content_type="application/zip")


@router.get(
    "/subscriptions/{number}/statements/{statement}/proof",
    auth=needs("learners:read"),
    response=dict[str, Any],
    openapi_extra=also(409, 503),
)
def proof(
    request: HttpRequest,
    number: Id,
    statement: Number,
    learner: LearnerId,
    kind: Annotated[
        Literal["learner", "guest"], Query(description="guest: `learner` is the id of an entry")
    ] = "learner",
    organisation: Annotated[str, Query(max_length=256, description="where several have such a learner")] = "",
) -> Any:
    """The proof that one learner is in a statement, to be given to them: `rollbook verify` reads it.

    In it they are a surrogate. It needs statements:read too.
    """
    principal, row = _whose(request, number)
    principal.require("statements:read")
    guest = kind == "guest"
    unit = learner if guest else people.surrogate(row.customer_id, learner)
    if unit is None:
        raise missing("learner")
    return statements.proof(row, statement, unit, guest=guest, organisation=organisation or None)


@router.get(
    "/subscriptions/{number}/statement-preview",
    auth=needs("statements:read"),
    response=dict[str, Any],
    openapi_extra=also(409, 503),
)
def preview(
    request: HttpRequest,
    number: Id,
    window: Annotated[int, Query(ge=0, le=1000, description="that is not closed; 0 for the one that runs")] = 0,
) -> Any:
    """The statement of a window as it stands, with what would be adjusted: what has accrued. It has no number."""
    return statements.preview(_whose(request, number)[1], now_us(), window or None)


@router.post(
    "/subscriptions/{number}/statements/{statement}/approve",
    auth=needs("statements:close"),
    response=ComingOut,
    openapi_extra=also(409),
)
def approve(request: HttpRequest, number: Id, statement: Number) -> ComingOut:
    """Approves a statement that waits; it is closed within a minute or so, with what is known then."""
    principal, row = _whose(request, number)
    return _coming(approvals.approve(row, statement, principal))


@router.post("/subscriptions/{number}/hold", auth=needs("statements:close"), response=HeldOut)
def hold(request: HttpRequest, number: Id, body: ReasonIn) -> HeldOut:
    """Closes nothing more of a subscription until it is released."""
    principal, row = _whose(request, number)
    approvals.hold(row, body.reason, principal)
    return HeldOut(on_hold=bool(row.close_on_hold), hold_reason=row.close_on_hold)


@router.post("/subscriptions/{number}/release", auth=needs("statements:close"), response=HeldOut)
def release(request: HttpRequest, number: Id) -> HeldOut:
    """Closes again; also tries at once what could not be closed."""
    principal, row = _whose(request, number)
    approvals.release(row, principal)
    return HeldOut(on_hold=bool(row.close_on_hold), hold_reason=row.close_on_hold)


@router.post(
    "/subscriptions/{number}/statements/{statement}/dispute",
    auth=needs("statements:close", DISPUTE),
    response=StatementOut,
    openapi_extra=also(409),
)
def dispute(request: HttpRequest, number: Id, statement: Number, body: DisputeIn) -> StatementOut:
    """Marks a statement as disputed, which changes nothing of it. Operators are told when a customer does so."""
    principal, row = _whose(request, number)
    found = statements.find(row, statement)
    approvals.dispute(found, body.reason, principal, and_hold=body.hold)
    return _short(found)


@router.post(
    "/subscriptions/{number}/statements/{statement}/resolve",
    auth=needs("statements:close", DISPUTE),
    response=StatementOut,
)
def resolve(request: HttpRequest, number: Id, statement: Number) -> StatementOut:
    """Ends a dispute; a customer's administrator withdraws the customer's own. A hold stays until it is released."""
    principal, row = _whose(request, number)
    found = statements.find(row, statement)
    approvals.resolve(found, principal)
    return _short(found)


def _whose(request: HttpRequest, number: int) -> tuple[Principal, Subscription]:
    principal = principal_of(request)
    return principal, subscription_for(principal, number)


def _short(row: Statement) -> StatementOut:
    window = row.record["window"] or {"number": None, "start": None, "end": None}
    return StatementOut(
        number=row.number,
        window=window["number"],
        start=window["start"],
        end=window["end"],
        digest=row.digest,
        adjusts=row.adjusts,
        total=row.record["total"],
        currency=row.record["currency"],
        closed_at=row.closed_at,
        closed_by=row.closed_by,
        disputed=row.disputed,
        disputed_by=row.disputed_by,
        disputed_at=row.disputed_at,
    )


def _coming(row: Closing) -> ComingOut:
    return ComingOut(
        number=row.number,
        window=row.window_number,
        asked_at=row.asked_at,
        approved_at=row.approved_at,
        approved_by=row.approved_by,
        withheld=row.withheld,
    )


def _attached(content: bytes, kind: str, name: str) -> HttpResponse:
    return HttpResponse(content, content_type=kind, headers={"Content-Disposition": f'attachment; filename="{name}"'})
