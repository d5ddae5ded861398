"""Every answer that is no success has one shape: {"problems": [{"code", "place", "rule", "remedy"}]}.

`code` is for programs and never changes between versions; `place`, `rule` and `remedy` are for people. Nothing that
was sent is repeated in an answer or a log: it could be a learner's id or a secret.
"""

from __future__ import annotations

import logging
import traceback
import uuid
from collections.abc import Iterable
from http import HTTPStatus
from typing import Any

from django.core.exceptions import BadRequest, DisallowedHost, PermissionDenied, RequestDataTooBig, SuspiciousOperation
from django.http import Http404, HttpRequest, HttpResponse, JsonResponse, UnreadablePostError
from ninja import NinjaAPI, Schema
from ninja.errors import AuthenticationError, HttpError, ValidationError

from rollbook.errors import Problem, RollbookError
from rollbook.server.refusals import unknown

LOG = logging.getLogger("rollbook.server.api")

STATUS_BY_CODE = {
    "plan-invalid": 422,
    "subscription-invalid": 422,
    "usage": 422,
    "rows-rejected": 422,
    "membership-unknown": 409,
    "book": 409,
}
"""What the errors of the library mean here; an error of the server carries its own `status`."""

DESCRIPTIONS = {
    400: "The request cannot be read.",
    401: "Nobody is signed in, and no valid key was sent.",
    403: "Whoever asks may not do this.",
    404: "There is nothing of this name that whoever asks may see.",
    405: "This address does not answer to this method.",
    409: "It contradicts what is there.",
    411: "The request does not say how long it is.",
    413: "The request is too large.",
    415: "The content is of a kind that is not read here.",
    422: "The request was read, and breaks a rule.",
    426: "It came without TLS, which this server asks for.",
    429: "Too many requests; Retry-After says for how many seconds to wait.",
    500: "A fault of the server, which its log knows by the id in the answer.",
    503: "The server cannot answer now; Retry-After says for how many seconds to wait.",
}
"""The statuses of problems, in words; what a route documents beyond its own."""


class ProblemOut(Schema):
    """One thing that is wrong, and how to put it right."""

    code: str
    place: str
    rule: str
    remedy: str


class ProblemsOut(Schema):
    """Everything that is wrong."""

    problems: list[ProblemOut]


def problems_response(
    status: int, code: str, problems: Iterable[Problem], headers: dict[str, str] | None = None
) -> HttpResponse:
    """The shape itself."""
    content = [{"code": code, "place": it.place, "rule": it.rule, "remedy": it.remedy} for it in problems]
    answer = JsonResponse({"problems": content}, status=status, json_dumps_params={"ensure_ascii": False})
    for name, value in (headers or {}).items():
        answer[name] = value
    return answer


def plain(status: int, headers: dict[str, str] | None = None) -> HttpResponse:
    """The problem of a status about which nothing more is known."""
    code, rule, remedy = _PLAIN.get(status, ("refused", DESCRIPTIONS.get(status, "it was refused"), "see the API"))
    return problems_response(status, code, [Problem("request", rule, remedy)], headers)


HOST_RULE = "this server does not answer to that host name; see ROLLBOOK_ALLOWED_HOSTS"


def unreadable(error: object) -> HttpResponse:
    """400 for what Django will not read; of a wrong host name, whose setting decides."""
    if not isinstance(error, DisallowedHost):
        return plain(400)
    remedy = "call it by a name that it has, or let whoever runs it add this one to ROLLBOOK_ALLOWED_HOSTS"
    return problems_response(400, "host-unknown", [Problem("header Host", HOST_RULE, remedy)])


_PLAIN = {
    400: ("request-unreadable", "the request cannot be read", "send what the API's description says"),
    401: (
        "unauthenticated",
        "nobody is signed in, and no valid key was sent",
        "send Authorization: Bearer and a key, or sign in",
    ),
    403: ("forbidden", "whoever asks may not do this", "ask an operator for a role or a key that may"),
    404: ("not-found", "there is nothing at this address", "see /v1/openapi.json for what there is"),
    405: ("method-not-allowed", "this address does not answer to this method", "use one that the header Allow names"),
    413: ("too-large", "the request is too large", "send it in parts"),
    503: ("busy", "as much is being read as can be at once", "try again in a second"),
    415: ("media-type", "content of this kind is not read here", "send Content-Type: application/json"),
}


def respond(error: RollbookError) -> HttpResponse:
    """An error that was raised on purpose."""
    status = getattr(error, "status", None) or STATUS_BY_CODE.get(error.code, 422)
    return problems_response(status, error.code, error.problems, getattr(error, "headers", None))


def fault(error: BaseException) -> HttpResponse:
    """500 for what nobody foresaw. The log has the frames and the kind of error, and not its text, which may quote."""
    number = uuid.uuid4().hex
    frames = [f"{it.filename}:{it.lineno} {it.name}" for it in traceback.extract_tb(error.__traceback__)]
    LOG.error("fault %s: %s at %s", number, type(error).__name__, " < ".join(reversed(frames[-20:])))
    rule = f"the server made a mistake, which its log knows as {number}"
    remedy = "try again later, and tell whoever runs the server this id"
    return problems_response(500, "fault", [Problem("server", rule, remedy)])


def also(*statuses: int) -> dict[str, Any]:
    """For `openapi_extra`: further statuses with which a route may refuse."""
    return {"x-also": list(statuses)}


def install(api: NinjaAPI) -> None:
    """Gives an API these answers."""
    api.add_exception_handler(Exception, _anything)
    api.add_exception_handler(Http404, lambda _request, _error: plain(404))
    api.add_exception_handler(AuthenticationError, lambda _request, _error: plain(401, {"WWW-Authenticate": "Bearer"}))
    api.add_exception_handler(HttpError, _http)
    api.add_exception_handler(ValidationError, _invalid)
    api.add_exception_handler(RollbookError, lambda _request, error: respond(_one(error)))
    api.add_exception_handler(RequestDataTooBig, lambda _request, _error: plain(413))
    api.add_exception_handler(UnreadablePostError, lambda _request, _error: plain(400))
    api.add_exception_handler(SuspiciousOperation, lambda _request, error: unreadable(error))
    api.add_exception_handler(BadRequest, lambda _request, _error: plain(400))
    api.add_exception_handler(PermissionDenied, lambda _request, _error: plain(403))


def _one(error: RollbookError | type[RollbookError]) -> RollbookError:
    return error if isinstance(error, RollbookError) else error(())


def _anything(_: HttpRequest, error: Exception | type[Exception]) -> HttpResponse:
    return fault(error if isinstance(error, Exception) else error())


def _http(_: HttpRequest, error: HttpError | type[HttpError]) -> HttpResponse:
    # What a parser of bodies raises arrives wrapped.
    cause = getattr(error, "__cause__", None)
    if isinstance(cause, RollbookError):
        return respond(cause)
    return plain(getattr(error, "status_code", 400))


def _invalid(_: HttpRequest, error: ValidationError | type[ValidationError]) -> HttpResponse:
    return problems_response(
        HTTPStatus.UNPROCESSABLE_ENTITY, "input-invalid", [_problem(it) for it in getattr(error, "errors", ())][:100]
    )


_A_DAY = ("it is no day of the calendar", "write it as 2026-02-01")
_AN_INSTANT = ("it is no instant", "write it with its offset from UTC, as 2026-02-01T09:30:00Z")
_TIMES = {
    **dict.fromkeys(
        ("date_type", "date_parsing", "date_from_datetime_parsing", "date_from_datetime_inexact"),
        _A_DAY,
    ),
    **dict.fromkeys(
        (
            "datetime_type",
            "datetime_parsing",
            "datetime_from_date_parsing",
            "datetime_object_invalid",
            "timezone_aware",
        ),
        _AN_INSTANT,
    ),
}
"""What is wrong with a time, in words, by the schema's kind of error: its own words are a parser's."""


def _problem(found: dict[str, Any]) -> Problem:
    """One finding of a schema. Its text is the schema's own and quotes nothing that was sent."""
    source, *rest = [str(it) for it in found.get("loc", ("request",))]
    if source == "body" and rest:
        rest = rest[1:] or rest
    if found.get("type") == "extra_forbidden":
        return unknown(".".join((source, *rest[:-1])), rest[-1] if rest else "", found.get("known", ()))
    if found.get("type") in _TIMES:
        rule, remedy = _TIMES[found["type"]]
        return Problem(".".join((source, *rest)), rule, remedy)
    rule = str(found.get("msg", "it is not valid")).removeprefix("Value error, ")
    return Problem(".".join((source, *rest)), rule[:1].lower() + rule[1:], "see /v1/openapi.json for what is expected")
