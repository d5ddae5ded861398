"""POST /v1/cloudevents: CloudEvents 1.0 over HTTP, structured, in batches, or binary.

`id`, `source` and `type` are the fact's, `time` is `occurred_at`, `subject` is the learner unless `data` names one, and
`data` holds the other canonical fields. Extension attributes of the names of canonical fields are read where `data` is
silent; all others are of no concern here, as the specification wants it.

Events are read by hand: readers of the kind that makes an id, or a time, where an event has none would make each
repeat a new fact.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any
from urllib.parse import unquote

from django.http import HttpRequest, HttpResponse
from ninja import Router

from rollbook.errors import Problem
from rollbook.model.fact import COLUMNS
from rollbook.server.access.principals import needs
from rollbook.server.api import bodies
from rollbook.server.api.facts import SCOPE, ReceiptOut, answer, body, sending, take
from rollbook.server.receiving.reading import Read, Rejected, UnreadableError, decode, read_rows
from rollbook.server.refusals import RefusedError, refused

STRUCTURED = "application/cloudevents+json"
BATCH = "application/cloudevents-batch+json"
HEADER = "ce-"
VERSION = "1.0"

OWN = {"id": "id", "source": "source", "type": "type", "occurred_at": "time"}
"""Canonical fields that the event itself says, by what they are called there. `data` may not say them again."""

EXTENSIONS = tuple(name for name in COLUMNS if name not in OWN and name.isalpha())
"""Canonical fields that may also be extension attributes, whose names are letters and digits."""

router = Router(tags=["facts"])


@router.post(
    "/cloudevents",
    auth=needs(SCOPE),
    response=ReceiptOut,
    summary="Send facts as CloudEvents 1.0",
    openapi_extra=body(
        **{
            STRUCTURED: {"schema": {"type": "object", "description": "one event"}},
            BATCH: {"schema": {"type": "array", "items": {"type": "object"}}},
            bodies.JSON: {"schema": {"type": "object", "description": "data of one event, whose attributes are ce-…"}},
        }
    ),
)
def send_events(request: HttpRequest) -> HttpResponse:
    """One event or a batch. A single event that is rejected is answered 422; a batch is answered 200, as facts are."""
    by = sending(request)
    kind = bodies.media_type(request)
    if kind == BATCH:
        events: Iterable[Any] = _listed(bodies.read(request))
    elif kind == STRUCTURED:
        events = (_decoded(bodies.whole(bodies.read(request))),)
    else:
        events = (_binary(request, kind),)
    rows = [_row(event, index) for index, event in enumerate(events)]
    found = read_rows([{} if _is_fault(row) else row for row in rows], by.now_us, trusts_recorded=by.trusted)
    read: list[Read] = [row if _is_fault(row) else _as_said(made) for row, made in zip(rows, found, strict=True)]
    receipt = take(read, by)
    if kind != BATCH and receipt.rejected:
        wrong = receipt.rejected
        raise RefusedError(422, wrong[0].code, [Problem("event", it.rule, it.remedy) for it in wrong])
    return answer(receipt)


def _listed(data: bytes) -> Iterable[Any]:
    if data.lstrip()[:1] == b"{":
        raise refused(400, "json-invalid", "body", "it is no list", f"send a list of events, or {STRUCTURED}")
    return (_decoded(item) for item in bodies.listed(data))


def _decoded(item: bodies.Packed) -> Any:
    """An event, or why it cannot be read."""
    try:
        return decode(item)
    except UnreadableError as error:
        return error


def _binary(request: HttpRequest, kind: str) -> Any:
    """An event whose attributes are headers and whose data is the body."""
    attributes: dict[str, Any] = {}
    for name, value in request.headers.items():
        if name.lower().startswith(HEADER):
            try:
                attributes[name.lower().removeprefix(HEADER)] = unquote(value, errors="strict")
            except UnicodeDecodeError:
                return UnreadableError("not-utf-8", f"a header {HEADER}… is not UTF-8", "encode it by percent signs")
    if "specversion" not in attributes:
        remedy = f"send {STRUCTURED}, {BATCH}, or the attributes as headers {HEADER}…"
        raise refused(415, "media-type", "header Content-Type", "this is no CloudEvent", remedy)
    data = bodies.read(request)
    if not data.strip():
        return attributes
    attributes["datacontenttype"] = kind
    if _is_json(kind):
        found = _decoded(bodies.whole(data))
        if isinstance(found, UnreadableError):
            return found
        attributes["data"] = found
    else:
        attributes["data_base64"] = ""
    return attributes


def _is_json(kind: str) -> bool:
    return kind == bodies.JSON or kind.endswith("+json")


def _is_fault(row: object) -> bool:
    return isinstance(row, tuple)


def _as_said(made: Read) -> Read:
    """What is wrong, in the words of CloudEvents where they differ."""
    if not isinstance(made, tuple):
        return made
    return tuple(Rejected(it.index, it.code, it.rule.replace("occurred_at", "time", 1), it.remedy) for it in made)


def _row(event: Any, index: int) -> Any:
    """The canonical row of an event, or a tuple of everything that is wrong with its envelope."""
    if isinstance(event, UnreadableError):
        return event.at(index)
    if not isinstance(event, Mapping):
        return (Rejected(index, "no-object", "it is no JSON object", "send one object an event"),)
    faults = [Rejected(index, code, rule, remedy) for code, rule, remedy in _faults(event)]
    if faults:
        return tuple(faults)
    data = event.get("data") or {}
    row = {name: event[name] for name in EXTENSIONS if event.get(name) is not None}
    if event.get("subject") is not None:
        row["learner"] = event["subject"]
    row |= {name: value for name, value in data.items() if value is not None}
    return row | {name: event.get(attribute) for name, attribute in OWN.items()}


def _faults(event: Mapping[str, Any]) -> Iterable[tuple[str, str, str]]:
    """(code, rule, remedy) of what an event owes CloudEvents, or this server."""
    if event.get("specversion") != VERSION:
        yield "version", f"specversion is not {VERSION}", f"send CloudEvents {VERSION}"
    for name in ("id", "source", "type"):
        value = event.get(name)
        if not isinstance(value, str) or not value.strip():
            yield "attribute-missing", f"{name} is missing, or no text", "give every event id, source and type"
    if not isinstance(event.get("time"), str):
        yield "attribute-missing", "time is missing, or no text", "say when it happened, such as 2026-03-01T09:30:00Z"
    if event.get("subject") is not None and not isinstance(event["subject"], str):
        yield "invalid", "subject is no text", "give the learner's id as text"
    yield from _faults_of_data(event)


def _faults_of_data(event: Mapping[str, Any]) -> Iterable[tuple[str, str, str]]:
    kind, data = event.get("datacontenttype"), event.get("data")
    plain = str(kind or bodies.JSON).partition(";")[0].strip().lower()
    if event.get("data_base64") is not None or (data is not None and not _is_json(plain)):
        yield "data", "data is not JSON", "send data as a JSON object, of content type application/json"
    elif data is not None and not isinstance(data, Mapping):
        yield "data", "data is no JSON object", "give the other fields of the fact in it"
    elif data is not None:
        for name, attribute in OWN.items():
            if name in data:
                yield "data", f"data says {name}, which is the event's {attribute}", "say it once, in the event"
