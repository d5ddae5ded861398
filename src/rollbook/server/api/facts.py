"""POST /v1/facts: canonical facts, as a JSON list or one on each line.

Where the body could be read the answer is 200, whatever became of its facts: everything that was accepted is stored
and counted when the call returns, everything else is named by its index. A repeat of a call changes nothing, so a
sender that is unsure sends again.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any

import msgspec
from django.db import InternalError, OperationalError
from django.http import HttpRequest, HttpResponse
from ninja import Router, Schema

from rollbook.errors import Problem
from rollbook.server.access.principals import needs, principal_of
from rollbook.server.api import bodies
from rollbook.server.api.errors import also
from rollbook.server.clock import now_us
from rollbook.server.receiving.ingest import Receipt, Sender, ingest
from rollbook.server.receiving.reading import Read, read_rows
from rollbook.server.refusals import RefusedError, refused

SCOPE = "facts:write"
BUSY_SECONDS = 5
"""After which a sender may try again when the database could not be written to."""

router = Router(tags=["facts"])


class RejectedOut(Schema):
    """One thing wrong with the fact at `index`, counted from 0; blank lines are not counted."""

    index: int
    code: str
    rule: str
    remedy: str


class ReceiptOut(Schema):
    """What became of a call: received = new + repeats + held + facts that are named in `rejected`."""

    received: int
    new: int
    repeats: int
    held: int
    rejected: list[RejectedOut]


@dataclass(frozen=True, slots=True)
class Sending:
    """Who sends, when it came, and whether they are believed about when it had come to them (UTC microseconds)."""

    sender: Sender
    now_us: int
    trusted: bool


def sending(request: HttpRequest) -> Sending:
    """Who sends. Only the vendor's own platform, by a key of no customer, says itself when facts were recorded."""
    principal = principal_of(request)
    if principal.customer is None and not principal.vendor:
        raise refused(403, "forbidden", "request", "whoever asks sends for no customer", "ask for a key that may")
    trusted = principal.vendor and principal.kind == "key"
    return Sending(Sender(principal.name, principal.customer), now_us(), trusted)


def take(read: Sequence[Read], by: Sending) -> Receipt:
    """Stores a batch. Raises RefusedError 503 where the database cannot be written to."""
    try:
        return ingest(read, by.sender, by.now_us)
    except (OperationalError, InternalError):  # PostgreSQL calls a file that may not grow internal
        raise busy() from None


def busy() -> RefusedError:
    """503: nothing of the call was stored."""
    problem = Problem("server", "the database could not be written to", f"send it again in {BUSY_SECONDS} seconds")
    return RefusedError(503, "busy", problem, {"Retry-After": str(BUSY_SECONDS)})


def answer(receipt: Receipt, status: int = 200) -> HttpResponse:
    """A receipt as an answer."""
    content = {
        "received": receipt.received,
        "new": receipt.new,
        "repeats": receipt.repeats,
        "held": receipt.held,
        "rejected": [asdict(it) for it in receipt.rejected],
    }
    return HttpResponse(msgspec.json.encode(content), content_type="application/json", status=status)


def body(**contents: Any) -> dict[str, Any]:
    """For `openapi_extra`: the contents of a body that is read from the request itself, and how it may be refused."""
    return {"requestBody": {"required": True, "content": contents}, **also(411, 413, 415, 503)}


_FACT = {"type": "object", "description": "a fact: see docs/server/ingest.md"}


@router.post(
    "/facts",
    auth=needs(SCOPE),
    response=ReceiptOut,
    summary="Send facts",
    openapi_extra=body(
        **{
            bodies.JSON: {"schema": {"type": "array", "items": _FACT}},
            bodies.NDJSON[0]: {"schema": {"type": "string", "description": "one fact on each line"}},
        }
    ),
)
def send_facts(request: HttpRequest) -> HttpResponse:
    """Canonical facts."""
    by = sending(request)
    items = bodies.items(bodies.read(request), bodies.media_type(request))
    return answer(take(read_rows(items, by.now_us, trusts_recorded=by.trusted), by))
