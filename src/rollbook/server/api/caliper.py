"""POST /v1/caliper: envelopes of Caliper sensors, versions 1.1 and 1.2, and those of 1.0.

Answers are those of section 6 of Caliper 1.2: 200 when the envelope was received, 400 where there is none or it is
malformed, 401 for a bad key, 415 for other content than JSON, 422 for a version that is not read. With 200 comes a
receipt, as for facts, where the specification would rather have nothing: it names every event that was rejected.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from functools import cache
from typing import Any

import msgspec
from django.http import HttpRequest, HttpResponse
from ninja import Router

from rollbook.intake.batches import Refused
from rollbook.intake.producers.caliper import Caliper
from rollbook.intake.producers.producer import Convert, Reading
from rollbook.intake.vocabulary import vocabulary
from rollbook.server.access.principals import needs
from rollbook.server.api import bodies
from rollbook.server.api.facts import SCOPE, ReceiptOut, Sending, answer, body, sending, take
from rollbook.server.receiving.reading import Read, Rejected, UnreadableError, decode_event, read_rows
from rollbook.server.refusals import refused

KINDS = (bodies.JSON, "application/ld+json")
_VERSION = re.compile(r"https?://purl\.imsglobal\.org/ctx/caliper/v1(p[012])?(/.{0,100})?")

router = Router(tags=["facts"])


class _Envelope(msgspec.Struct):
    sensor: str
    sendTime: str  # noqa: N815 - as Caliper calls it
    dataVersion: str  # noqa: N815
    data: list[msgspec.Raw]


_decode_envelope = msgspec.json.Decoder(_Envelope).decode
_CONTENT = body(**{bodies.JSON: {"schema": {"type": "object", "description": "an envelope with its events"}}})


@router.post("/caliper", auth=needs(SCOPE), response=ReceiptOut, summary="Send Caliper events", openapi_extra=_CONTENT)
def send_envelope(request: HttpRequest) -> HttpResponse:
    """An envelope of the organisation that the customer has."""
    return _received(request, "")


@router.post(
    "/caliper/organisations/{path:organisation}",
    auth=needs(SCOPE),
    response=ReceiptOut,
    summary="Send Caliper events of one organisation",
    openapi_extra=_CONTENT,
)
def send_envelope_of(request: HttpRequest, organisation: str) -> HttpResponse:
    """An envelope whose events are all of one organisation."""
    return _received(request, organisation)


def _received(request: HttpRequest, organisation: str) -> HttpResponse:
    by = sending(request)
    kind = bodies.media_type(request)
    if kind not in KINDS:
        raise refused(415, "media-type", "header Content-Type", "the body must be JSON", f"send {bodies.JSON}")
    return answer(take(read_events(_events(bodies.read(request)), organisation, by, _converter(), decode_event), by))


def _events(data: bytes) -> Sequence[bodies.Packed]:
    """The events of an envelope. Raises RefusedError 400, 413 or 422."""
    bodies.crowded(data)
    text = bodies.whole(data)
    try:
        envelope = _decode_envelope(text)
    except (msgspec.MsgspecError, UnicodeError):
        rule = "it is no envelope with sensor, sendTime, dataVersion and a list data"
        raise refused(400, "envelope-invalid", "body", rule, "send what a Caliper sensor sends") from None
    except RecursionError:
        raise refused(400, "too-deep", "body", "it is nested too deeply", "send it flat") from None
    if not all(it.strip() for it in (envelope.sensor, envelope.sendTime, envelope.dataVersion)):
        rule = "sensor, sendTime or dataVersion is empty"
        raise refused(400, "envelope-invalid", "body", rule, "send what a Caliper sensor sends")
    if not _VERSION.fullmatch(envelope.dataVersion):
        rule = "it is no version of Caliper that is read here"
        remedy = "send http://purl.imsglobal.org/ctx/caliper/v1p1 or …/v1p2"
        raise refused(422, "version", "body.dataVersion", rule, remedy)
    return bodies.counted(envelope.data)


@cache
def _converter() -> Convert:
    return Caliper().converter(Reading(vocabulary(Caliper.name)))


def read_events(
    items: Sequence[Any],
    organisation: str,
    by: Sending,
    convert: Convert,
    load: Callable[[Any], Any],
) -> list[Read]:
    """The facts of events that a reader of `intake` converts, one of each, or what is wrong with them."""
    rows: list[Any] = []
    for index, item in enumerate(items):
        try:
            rows.append(_converted(index, load(item), convert, organisation))
        except UnreadableError as error:
            rows.append(error.at(index))
    made = read_rows([{} if isinstance(row, tuple) else row for row in rows], by.now_us, trusts_recorded=by.trusted)
    return [row if isinstance(row, tuple) else read for row, read in zip(rows, made, strict=True)]


def _converted(index: int, event: Any, convert: Convert, organisation: str) -> Any:
    """The canonical row of an event, or a tuple of what is wrong with it."""
    if not isinstance(event, Mapping):
        return (Rejected(index, "no-object", "it is no JSON object", "send one object an event"),)
    try:
        [row] = convert(event)
    except (AttributeError, KeyError, IndexError, TypeError, ValueError, RecursionError):
        rule = "it has not the shape of its format"
        return (Rejected(index, "invalid", rule, "correct the event, as its specification says"),)
    if isinstance(row, Refused):
        return (Rejected(index, "invalid", row.rule, row.remedy),)
    return {**row, "organisation": organisation}
