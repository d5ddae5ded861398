"""What every answer has, whoever gave it: headers that keep browsers safe, and the one shape of problems under /v1.

A page that needs more than its own files sets `Content-Security-Policy` itself, and that stands.
"""

from __future__ import annotations

import threading
from collections.abc import Callable
from contextlib import suppress
from http import HTTPStatus

from django.conf import settings
from django.http import HttpRequest, HttpResponse, UnreadablePostError
from django.http.response import HttpResponseBase

from rollbook.errors import Problem
from rollbook.server.access.principals import SAFE_METHODS
from rollbook.server.api import errors

API = "/v1/"

BODY_BYTES_MAX = 4 * 1024 * 1024
"""Of any request that is not sent to one of `LARGE`, whatever is done with it."""

LARGE = ("/v1/facts", "/v1/cloudevents", "/v1/caliper", "/v1/xapi")
"""Addresses that bound their bodies themselves: facts come in batches."""

UNKNOWN_BODIES_MAX = 2
"""Bodies that are read at once, in one process, of whoever shows no key. Reading occupies a thread for as long as the
sender takes, which nothing here can end: the other threads go on answering."""

_unknown_bodies = threading.BoundedSemaphore(UNKNOWN_BODIES_MAX)

HEADERS = {
    "Content-Security-Policy": "default-src 'self'; base-uri 'none'; form-action 'self'; frame-ancestors 'none'; "
    "object-src 'none'",
    "Referrer-Policy": "same-origin",
    "X-Content-Type-Options": "nosniff",
    "Permissions-Policy": "camera=(), geolocation=(), microphone=(), payment=(), usb=()",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
}
"""Of every answer, where it has none of its own."""

DOCS_POLICY = (
    "default-src 'self'; img-src 'self' data:; style-src 'self' 'unsafe-inline'; base-uri 'none'; "
    "form-action 'none'; frame-ancestors 'none'; object-src 'none'"
)
"""Of the API's description for people: its script draws with styles and pictures of its own. It loads nothing else."""

GetResponse = Callable[[HttpRequest], HttpResponseBase]


def answers(get_response: GetResponse) -> GetResponse:
    """The middleware. It stands first, so that it sees the answers of all others."""

    def middleware(request: HttpRequest) -> HttpResponseBase:
        length = request.META.get("CONTENT_LENGTH") or "0"
        if not length.isdecimal() or (int(length) > BODY_BYTES_MAX and not request.path.startswith(LARGE)):
            answer: HttpResponseBase = errors.plain(413 if length.isdecimal() else 400)
        elif _needs_tls(request):
            answer = _tls_needed()
        elif not _was_read(request, int(length)):
            answer = errors.plain(503, {"Retry-After": "1"})
        else:
            answer = get_response(request)
        if request.path.startswith(API):
            said = answer.get("Content-Type") == "application/json"
            if answer.status_code == HTTPStatus.METHOD_NOT_ALLOWED and not said:
                answer = errors.plain(405, {"Allow": answer["Allow"]})
            answer.setdefault("Cache-Control", "no-store")
            if request.path == f"{API}docs":
                answer["Content-Security-Policy"] = DOCS_POLICY
        for name, value in HEADERS.items():
            answer.setdefault(name, value)
        return answer

    return middleware


def _was_read(request: HttpRequest, length: int) -> bool:
    """Reads a body that nobody vouches for; False where too many such are being read. Other bodies are read later.

    Whoever shows a key is asked for it first, and so is whoever sends facts.
    """
    shows_key = "Authorization" in request.headers or request.path.startswith(LARGE)
    if not length or shows_key or request.method in SAFE_METHODS:
        return True
    if not _unknown_bodies.acquire(blocking=False):
        return False
    try:
        # It is kept; where the sender breaks off, whoever asks for it is told again.
        with suppress(UnreadablePostError):
            _ = request.body
    finally:
        _unknown_bodies.release()
    return True


def _needs_tls(request: HttpRequest) -> bool:
    """Whether a program called without TLS: it is told so, where a browser is sent on to a page over https://."""
    for_programs = request.path.startswith(API) and request.path != f"{API}docs"
    return for_programs and settings.SECURE_SSL_REDIRECT and not request.is_secure()


def _tls_needed() -> HttpResponse:
    """426. A redirection would make programs send the key once more, and a POST as a GET."""
    rule = "it came over http://, where everybody on the way reads keys and learners"
    remedy = "use https://; until a proxy with TLS stands before the server, its operator sets ROLLBOOK_TLS=false"
    return errors.problems_response(426, "tls-required", [Problem("request", rule, remedy)], {"Upgrade": "TLS/1.2"})
