"""/v1/xapi: where an LRS or a platform forwards its xAPI statements to; nothing is read back from here.

The specification knows such receivers (1.0.3, part three, 2.0: what implements POST Statements to receive what an LRS
forwards is no LRS). What it says of POST and PUT holds: a batch is stored whole or not at all; a statement that is
stored already is left as it is, answered 409 where it says something else; ids are made where there are none.
`tests/server/test_xapi*.py` and docs/server/ingest.md say what holds and what does not.
"""

from __future__ import annotations

import uuid
from collections.abc import Callable, Iterable, Mapping, Sequence
from functools import cache, wraps
from typing import Any, NoReturn

import msgspec
import stamina
from django.db import InternalError, OperationalError, connection, transaction
from django.http import HttpRequest, HttpResponse
from ninja import Router

from rollbook.errors import Problem, RollbookError
from rollbook.intake.producers.producer import Convert, Reading
from rollbook.intake.producers.xapi import Xapi
from rollbook.intake.vocabulary import vocabulary
from rollbook.model.fact import Fact
from rollbook.model.instants import iso
from rollbook.server.access.principals import Needs, Principal, anybody
from rollbook.server.api import bodies, errors
from rollbook.server.api.caliper import read_events
from rollbook.server.api.facts import SCOPE, Sending, body, busy, sending, take
from rollbook.server.api.xapi_attachments import is_somewhere, statements_of
from rollbook.server.api.xapi_statement import StatementError, check_statement
from rollbook.server.clock import now_us
from rollbook.server.live import archive, metering
from rollbook.server.models import Customer, Organisation
from rollbook.server.receiving.ingest import Receipt, Sender, ingest_within
from rollbook.server.receiving.reading import Read, Rejected, UnreadableError, decode_event
from rollbook.server.refusals import RefusedError, refused

VERSIONS = {"1.0": "1.0.3", "2.0": "2.0.0"}
"""What is read, and what is answered: the latest patch of each."""

VERSION_HEADER = "X-Experience-API-Version"
CONSISTENT_HEADER = "X-Experience-API-Consistent-Through"
ALLOWED = "POST, PUT, OPTIONS"
PROBLEMS_MAX = 100
"""Statements of one batch whose faults are told."""

router = Router(tags=["xapi"])


def _headers(request: HttpRequest) -> dict[str, str]:
    """What every answer says: the version that is spoken, and up to when all is stored that was answered."""
    version = VERSIONS.get(".".join(request.headers.get(VERSION_HEADER, "").split(".")[:2]), VERSIONS["1.0"])
    return {VERSION_HEADER: version, CONSISTENT_HEADER: iso(now_us())}


class _NeedsWithVersion(Needs):
    """The same need; its refusals too say the version."""

    def __call__(self, request: HttpRequest) -> Principal | None:
        try:
            principal = super().__call__(request)
        except RefusedError as error:
            error.headers.update(_headers(request))
            raise
        if principal is None:
            problem = Problem("request", "no valid key was sent", "send Basic: the key's prefix and its secret")
            challenge = {"WWW-Authenticate": 'Basic realm="rollbook", Bearer'}
            raise RefusedError(401, "unauthenticated", problem, challenge | _headers(request))
        return principal


_SENDS = _NeedsWithVersion(SCOPE)
_STATEMENT = {"type": "object", "description": "a statement of xAPI"}
_CONTENT = body(
    **{
        bodies.JSON: {"schema": {"oneOf": [_STATEMENT, {"type": "array", "items": _STATEMENT}]}},
        "multipart/mixed": {"schema": {"type": "string", "format": "binary"}},
    }
)
_CONTENT["x-also"].append(409)


def _spoken(view: Callable[..., HttpResponse]) -> Callable[..., HttpResponse]:
    """A view whose answers say the version, refusals too."""

    @wraps(view)
    def spoken(request: HttpRequest, *args: Any, **named: Any) -> HttpResponse:
        try:
            answer = view(request, *args, **named)
        except RollbookError as error:
            answer = errors.respond(error)
        for name, value in _headers(request).items():
            answer[name] = value
        return answer

    return spoken


@router.post("/xapi/statements", auth=_SENDS, response=list[str], summary="Send statements", openapi_extra=_CONTENT)
@_spoken
def post_statements(request: HttpRequest) -> HttpResponse:
    """One statement or several, of the organisation that the customer has: their ids, in order."""
    return _posted(request, "")


@router.post(
    "/xapi/organisations/{path:organisation}/statements",
    auth=_SENDS,
    response=list[str],
    summary="Send statements of one organisation",
    openapi_extra=_CONTENT,
)
@_spoken
def post_statements_of(request: HttpRequest, organisation: str) -> HttpResponse:
    """The same for one organisation."""
    return _posted(request, organisation)


@router.put("/xapi/statements", auth=_SENDS, response={204: None}, summary="Send a statement", openapi_extra=_CONTENT)
@_spoken
def put_statement(request: HttpRequest) -> HttpResponse:
    """One statement, whose id is the parameter `statementId`."""
    return _put(request, "")


@router.put(
    "/xapi/organisations/{path:organisation}/statements",
    auth=_SENDS,
    response={204: None},
    summary="Send a statement of one organisation",
    openapi_extra=_CONTENT,
)
@_spoken
def put_statement_of(request: HttpRequest, organisation: str) -> HttpResponse:
    """The same for one organisation."""
    return _put(request, organisation)


@_spoken
def _not_read(request: HttpRequest) -> HttpResponse:  # noqa: ARG001 - the shape of a view
    problem = Problem("request", "statements are taken in here, and not read back", "read them from your LRS")
    return errors.problems_response(405, "method-not-allowed", [problem], {"Allow": ALLOWED})


@_spoken
def _not_read_of(request: HttpRequest, organisation: str) -> HttpResponse:  # noqa: ARG001 - part of the address
    return _not_read(request)


@_spoken
def _options(request: HttpRequest) -> HttpResponse:  # noqa: ARG001 - the shape of a view
    return HttpResponse(status=204, headers={"Allow": ALLOWED})


@_spoken
def _options_of(request: HttpRequest, organisation: str) -> HttpResponse:  # noqa: ARG001 - part of the address
    return _options(request)


_OF = "/xapi/organisations/{path:organisation}/statements"
for _path, _refuses, _says in (("/xapi/statements", _not_read, _options), (_OF, _not_read_of, _options_of)):
    router.add_api_operation(_path, ["GET", "HEAD", "DELETE"], _refuses, auth=_SENDS, include_in_schema=False)
    router.add_api_operation(_path, ["OPTIONS"], _says, auth=anybody(), include_in_schema=False)


@router.get("/xapi/about", auth=anybody(), response=dict[str, list[str]], summary="The versions of xAPI that are read")
@_spoken
def about(request: HttpRequest) -> HttpResponse:  # noqa: ARG001 - the shape of a view
    """Needs no key and no version, as the specification wants it."""
    return HttpResponse(msgspec.json.encode({"version": list(VERSIONS.values())}), content_type=bodies.JSON)


router.add_api_operation("/xapi/about", ["HEAD"], about, auth=anybody(), include_in_schema=False)


def _posted(request: HttpRequest, organisation: str) -> HttpResponse:
    _check_request(request, ())
    by = sending(request)
    data, digests = _content(request)
    statements = _statements(bodies.listed(data), digests, by)
    _store(statements, organisation, by)
    return HttpResponse(msgspec.json.encode([it["id"] for it in statements]), content_type=bodies.JSON)


def _put(request: HttpRequest, organisation: str) -> HttpResponse:
    _check_request(request, ("statementId",))
    id_ = request.GET.get("statementId", "")
    try:
        wanted = str(uuid.UUID(id_))
    except ValueError:
        wanted = ""
    if wanted != id_.lower() or not wanted:
        raise refused(400, "statement-id", "parameter statementId", "it is missing, or no UUID", "give it once")
    by = sending(request)
    data, digests = _content(request)
    statements = _statements((bodies.whole(data),), digests, by, wanted)
    _store(statements, organisation, by)
    return HttpResponse(status=204)


def _check_request(request: HttpRequest, known: Sequence[str]) -> None:
    version = request.headers.get(VERSION_HEADER, "").strip()
    parts = version.split(".")
    if ".".join(parts[:2]) not in VERSIONS or not all(it.isdecimal() for it in parts[2:]):
        rule = "it is missing, or no version that is read here"
        raise refused(400, "version", f"header {VERSION_HEADER}", rule, "send 1.0.3 or 2.0.0")
    if any(name not in known for name in request.GET):
        rule = "there is a parameter that is not known here"
        remedy = "leave it out; the alternate request syntax (?method=…) is not read"
        raise refused(400, "parameter", "parameters", rule, remedy)


def _content(request: HttpRequest) -> tuple[bytes, frozenset[str]]:
    """The JSON of a request, and the digests of the attachments that came with it. Raises RefusedError."""
    kind = bodies.media_type(request)
    if kind not in (bodies.JSON, "multipart/mixed"):
        remedy = f"send {bodies.JSON}, or multipart/mixed"
        raise refused(400, "media-type", "header Content-Type", "statements are not read from this", remedy)
    data = bodies.read(request)
    if kind == bodies.JSON:
        return data, frozenset()
    return statements_of(data, (request.content_params or {}).get("boundary", ""))


def _statements(
    items: Iterable[bodies.Packed], digests: frozenset[str], by: Sending, wanted: str = ""
) -> list[dict[str, Any]]:
    """Valid statements with their ids. Raises RefusedError 400 with everything that is wrong.

    digests  of the attachments that came with them
    wanted   the id that the address says
    """
    found: list[dict[str, Any]] = []
    wrong: list[tuple[Rejected, ...]] = []
    for index, item in enumerate(items):
        try:
            statement = decode_event(item)
            _check(statement, digests, wanted)
        except UnreadableError as error:
            wrong.append(error.at(index))
        except StatementError as error:
            rule = f"{error.place}: {error.rule}" if error.place else error.rule
            wrong.append((Rejected(index, "statement-invalid", rule, "correct the statement"),))
        else:
            statement.setdefault("id", wanted or str(uuid.uuid4()))
            found.append(statement)
    firsts: dict[str, int] = {}
    for index, statement in enumerate(found if not wrong else ()):
        if firsts.setdefault(statement["id"].lower(), index) != index:
            rule = f"it has the id of statements[{firsts[statement['id'].lower()]}]"
            wrong.append((Rejected(index, "statement-invalid", rule, "send each statement once"),))
    if wrong:
        _refuse(wrong, by)
    return found


def _check(statement: Any, digests: frozenset[str], wanted: str) -> None:
    check_statement(statement)
    if wanted and statement.get("id", wanted).lower() != wanted:
        raise StatementError("id", "it is not that of the address")
    for it in (statement, statement["object"]):
        if not all(is_somewhere(attachment, digests) for attachment in it.get("attachments", ())):
            raise StatementError("attachments", "one has no fileUrl, and no part of the body is it")


@cache
def _converter() -> Convert:
    return Xapi().converter(Reading(vocabulary(Xapi.name)))


def _store(statements: Sequence[Mapping[str, Any]], organisation: str, by: Sending) -> None:
    """Stores all statements or none. Raises RefusedError 400, 409 or 503."""
    timed = [it if "timestamp" in it or "stored" in it else {**it, "timestamp": iso(by.now_us)} for it in statements]
    read = read_events(timed, organisation, by, _converter(), lambda it: it)
    wrong = [it for it in read if isinstance(it, tuple)]
    if not wrong:
        receipt = _all_or_nothing(read, by)
        untimed = {it.index for it in receipt.rejected if it.code == "conflict"}
        untimed &= {index for index, it in enumerate(statements) if timed[index] is not it}
        if untimed:
            receipt = _all_or_nothing(_at_their_time(read, untimed, by.sender), by)
        if not receipt.rejected:
            return
        wrong = [(it,) for it in receipt.rejected]
    _refuse(wrong, by)


def _refuse(wrong: Sequence[tuple[Rejected, ...]], by: Sending) -> NoReturn:
    """Keeps what was refused to be looked at, and answers it."""
    take(wrong, by)
    flat = [it for faults in wrong for it in faults]
    conflict = all(it.code == "conflict" for it in flat)
    problems = [Problem(f"statements[{it.index}]", it.rule, it.remedy) for it in flat[:PROBLEMS_MAX]]
    raise RefusedError(409 if conflict else 400, "conflict" if conflict else "statement-invalid", problems)


def _all_or_nothing(read: Sequence[Read], by: Sending) -> Receipt:
    try:
        return _attempted(read, by)
    except (OperationalError, InternalError):
        raise busy() from None


@stamina.retry(on=metering.may_pass, attempts=3, wait_initial=0.05, wait_max=1.0)
def _attempted(read: Sequence[Read], by: Sending) -> Receipt:
    with transaction.atomic():
        receipt = ingest_within(read, by.sender, by.now_us)
        if receipt.rejected:
            transaction.set_rollback(True)
    return receipt


def _at_their_time(read: Sequence[Read], places: set[int], sender: Sender) -> list[Read]:
    """Statements that named no time, at the time that they were given when they first came."""
    facts = [it for index in places if isinstance(it := read[index], Fact)]
    ids = sorted({it.id for it in facts})
    # Statements of one request are all of one organisation; a conflict says that it has an owner.
    owner = sender.customer or Organisation.objects.get(name=facts[0].organisation).customer_id
    marks = ", ".join(["%s"] * len(ids))
    with connection.cursor() as cursor:
        cursor.execute(
            f"select fact.id, fact.at_us from fact_key join fact on fact.number = fact_key.number "
            f"where fact_key.owner = %s and fact_key.source = %s and fact_key.id in ({marks})",
            [owner, Xapi.name, *ids],
        )
        times = dict(cursor.fetchall())
    moved = archive.of_customer(Customer.objects.get(pk=owner))
    if moved and (left := [(None, Xapi.name, id_) for id_ in ids if id_ not in times]):
        times |= dict(moved.by_key(left, ("id", "at_us")))
    return [
        it.replace(at_us=times[it.id]) if index in places and isinstance(it, Fact) and it.id in times else it
        for index, it in enumerate(read)
    ]
