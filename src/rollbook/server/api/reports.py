"""Every report by name, at every level, in every format (S-28, W-23)."""

from __future__ import annotations

from typing import Annotated, Literal

from django.http import FileResponse, HttpRequest
from ninja import Query, Router, Schema

from rollbook.reports.named import LEARNER, REPORTS, find
from rollbook.server.access.principals import needs, principal_of, subscription_for
from rollbook.server.api.errors import also
from rollbook.server.api.fields import Id, Organisation
from rollbook.server.live import contracts, snapshots

router = Router(tags=["reports"])

Level = Literal["", "company", "learner"]
Form = Literal["csv", "json", "xlsx", "parquet"]


class ReportOut(Schema):
    """A report that there is. `by` are its levels, the usual one first; `columns` are those of that level, in words."""

    name: str
    title: str
    purpose: str
    by: list[str]
    columns: dict[str, str]


@router.get("/subscriptions/{number}/reports", auth=needs("usage:read"), response=list[ReportOut])
def reports(request: HttpRequest, number: Id) -> list[ReportOut]:
    """The reports that there are, with what their columns mean under this plan."""
    plan = contracts.plan_of(subscription_for(principal_of(request), number).plan)
    return [
        ReportOut(
            name=it.name,
            title=it.title,
            purpose=it.purpose,
            by=list(it.levels),
            columns={name: column.meaning for name, column in it.shape(plan).columns.items()},
        )
        for it in REPORTS.values()
    ]


@router.get(
    "/subscriptions/{number}/reports/{name}",
    auth=needs("usage:read"),
    openapi_extra=also(503)
    | {
        "responses": {
            200: {
                "description": "The report, with a heading in JSON and XLSX that says what its figures mean.",
                "content": {kind: {"schema": {"type": "string"}} for kind in snapshots.FORMATS.values()},
            }
        }
    },
)
def report(
    request: HttpRequest,
    number: Id,
    name: str,
    by: Annotated[Level, Query(description="what a row is about; each report has a usual level")] = "",
    format: Annotated[Form, Query(description="how it is written")] = "csv",  # noqa: A002 - the parameter's name
    organisation: Organisation = "",
) -> FileResponse:
    """A report, counted now from all facts. With a row for each learner it needs learners:read, and names them.

    `organisation` leaves the rows of one, of metering-events and status; without it the whole customer is there.
    """
    principal = principal_of(request)
    row = subscription_for(principal, number)
    named = find(name).shape(contracts.plan_of(row.plan), by).by == LEARNER
    if named:
        principal.require("learners:read")
    filename, kind, file = snapshots.report_file(row, name, by, format, organisation=organisation, named=named)
    return FileResponse(file, as_attachment=True, filename=filename, content_type=kind)
